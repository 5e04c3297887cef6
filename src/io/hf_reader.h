// Reads one model's object of a config.json, of a known family.
#ifndef SIMDROPE_IO_HF_READER_H_
#define SIMDROPE_IO_HF_READER_H_

#include <simdrope/io.hpp>
#include <string>

#include "io/family.h"
#include "io/json.h"

namespace simdrope::io {

// Fills `model` but for its others. `path` of the object, with a dot behind it, is for messages. Rejects what it cannot
// tell (io/reject.h).
void read_hf_object(const Json& config, const std::string& path, std::string model_type, const Family& family,
                    const Families& families, const ReadOptions& options, Model& model);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_READER_H_
