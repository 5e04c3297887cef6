// A config.json, by a table of families that tests may extend.
#ifndef SIMDROPE_IO_HF_CONFIG_H_
#define SIMDROPE_IO_HF_CONFIG_H_

#include <simdrope/io.hpp>

#include "io/family.h"

namespace simdrope::io {

// Rejects what it cannot tell (io/reject.h).
Model parse_hf(std::string_view json, const ReadOptions& options, const Families& families);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_CONFIG_H_
