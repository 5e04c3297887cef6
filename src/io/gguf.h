#ifndef SIMDROPE_IO_GGUF_H_
#define SIMDROPE_IO_GGUF_H_

#include <simdrope/io.hpp>

#include "io/byte_source.h"
#include "io/family.h"

namespace simdrope::io {

Result<Model> parse_gguf(ByteSource file, const ReadOptions& options, const Families& families = {});

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_GGUF_H_
