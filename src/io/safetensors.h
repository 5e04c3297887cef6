// safetensors: https://github.com/huggingface/safetensors, README, "Format".
#ifndef SIMDROPE_IO_SAFETENSORS_H_
#define SIMDROPE_IO_SAFETENSORS_H_

#include <simdrope/io.hpp>
#include <string>
#include <utility>
#include <vector>

#include "io/bytes.h"

namespace simdrope::io {

struct SafetensorsHeader {
  std::vector<Safetensors::Entry> entries;  // data points into the file parsed
  std::vector<std::pair<std::string, std::string>> metadata;
};

Result<SafetensorsHeader> parse_safetensors(Bytes file);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_SAFETENSORS_H_
