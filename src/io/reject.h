// Inside this library a reader that meets something it cannot accept throws; guarded() turns that
// into a Status at the public function.
#ifndef SIMDROPE_IO_REJECT_H_
#define SIMDROPE_IO_REJECT_H_

#include <stdexcept>

#include "io/failure.h"

namespace simdrope::io {

struct Rejected : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
[[noreturn]] void reject(const Parts&... parts) {
  std::string message;
  ((message += to_text(parts)), ...);
  throw Rejected(message);
}

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_REJECT_H_
