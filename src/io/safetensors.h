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
  std::vector<Safetensors::Entry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// `beginning`: of the file, with its header or as much as there is.
Result<SafetensorsHeader> parse_safetensors(Bytes beginning, uint64_t file_size);
inline Result<SafetensorsHeader> parse_safetensors(Bytes file) { return parse_safetensors(file, file.size()); }

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_SAFETENSORS_H_
