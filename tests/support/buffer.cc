#include "support/buffer.h"

#include <algorithm>

namespace testing {
namespace {

constexpr char kGuardByte = '\x5a';
constexpr char kFill = '\x3c';

}  // namespace

Buffer::Buffer(int64_t bytes, int misalignment)
    : storage_(static_cast<size_t>(bytes) + 2 * kGuard + 128, kGuardByte), size_(static_cast<size_t>(bytes)) {
  const size_t address = reinterpret_cast<uintptr_t>(storage_.data()) + kGuard;
  begin_ = kGuard + (64 - address % 64) % 64 + static_cast<size_t>(misalignment);
  std::fill_n(storage_.begin() + static_cast<ptrdiff_t>(begin_), size_, kFill);
}

void Buffer::Restore(const std::vector<char>& bytes) { std::copy(bytes.begin(), bytes.end(), data()); }

bool Buffer::GuardsIntact() const {
  const auto intact = [](char c) { return c == kGuardByte; };
  const auto begin = storage_.begin() + static_cast<ptrdiff_t>(begin_);
  return std::all_of(storage_.begin(), begin, intact) &&
         std::all_of(begin + static_cast<ptrdiff_t>(size_), storage_.end(), intact);
}

std::vector<std::vector<char>> BytesOf(const std::vector<Buffer*>& buffers) {
  std::vector<std::vector<char>> bytes;
  for (const Buffer* buffer : buffers) bytes.push_back(buffer->Bytes());
  return bytes;
}

void RestoreBytes(const std::vector<Buffer*>& buffers, const std::vector<std::vector<char>>& bytes) {
  for (size_t i = 0; i < buffers.size(); ++i) buffers[i]->Restore(bytes[i]);
}

}  // namespace testing
