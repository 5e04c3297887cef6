#ifndef SIMDROPE_IO_GGUF_H_
#define SIMDROPE_IO_GGUF_H_

#include <simdrope/io.hpp>

#include "io/bytes.h"

namespace simdrope::io {

Result<Model> parse_gguf(Bytes file, const ReadOptions& options);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_GGUF_H_
