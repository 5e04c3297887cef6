#include "io/byte_source.h"

#include <algorithm>

#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr size_t kWindow = size_t{1} << 16;

}  // namespace

void ByteSource::read(uint64_t at, void* to, size_t bytes) const {
  if (file_ == nullptr) {
    if (bytes > 0) std::memcpy(to, memory_.data() + at, bytes);
    return;
  }
  auto* out = static_cast<std::byte*>(to);
  while (bytes > 0) {
    if (at < window_at_ || at >= window_at_ + window_.size()) {
      window_.resize(static_cast<size_t>(std::min<uint64_t>(kWindow, size_ - at)));
      window_at_ = at;
      if (!file_->read(at, window_.data(), window_.size())) reject("byte ", at, ": cannot be read any more");
    }
    const size_t skipped = static_cast<size_t>(at - window_at_);
    const size_t part = std::min(bytes, window_.size() - skipped);
    std::memcpy(out, window_.data() + skipped, part);
    out += part;
    at += part;
    bytes -= part;
  }
}

}  // namespace simdrope::io
