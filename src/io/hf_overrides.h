// What a Config can say and Hugging Face has no key for: the object "simdrope" in a config.json that
// to_hf_config wrote. Its keys are the fields of simdrope_config.
#ifndef SIMDROPE_IO_HF_OVERRIDES_H_
#define SIMDROPE_IO_HF_OVERRIDES_H_

#include <simdrope/io.hpp>

#include "io/json.h"
#include "io/json_keys.h"

namespace simdrope::io {

void read_overrides(Keys& overrides, Config& config);

// The fields in which `wanted` differs from `read`; empty: none.
JsonTree write_overrides(const simdrope_config& wanted, const simdrope_config& read);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_OVERRIDES_H_
