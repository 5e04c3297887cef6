// NumPy's .npy. Format: numpy/lib/format.py and NEP 1.
#ifndef SIMDROPE_IO_NPY_H_
#define SIMDROPE_IO_NPY_H_

#include <simdrope/io.hpp>

#include "io/bytes.h"

namespace simdrope::io {

Result<Array> parse_npy(Bytes file);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_NPY_H_
