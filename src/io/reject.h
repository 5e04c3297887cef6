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

// What a file says must make a Rope.
inline void require_rope(const Config& config) {
  const Result<Rope> compiled = Rope::create(config);
  if (compiled.status().code() == SIMDROPE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (!compiled) reject(compiled.status().message());
}

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_REJECT_H_
