#include "progress.h"

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdio>
#include <utility>

namespace simdrope::tool {
namespace {

constexpr int kBarWidth = 40;
constexpr std::chrono::milliseconds kInterval(100);

bool StderrIsTerminal() {
#if defined(_WIN32)
  return _isatty(2) != 0;
#else
  return isatty(STDERR_FILENO) != 0;
#endif
}

}  // namespace

Progress::Progress(std::string label, int64_t total)
    : label_(std::move(label)), total_(std::max<int64_t>(total, 1)), visible_(StderrIsTerminal()) {}

Progress::~Progress() {
  if (visible_) std::fprintf(stderr, "\r\033[K");
}

void Progress::Add(int64_t done) {
  done_ += done;
  if (!visible_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < kInterval) return;
  drawn_ = now;
  Draw();
}

void Progress::Draw() const {
  const double part = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
  const int filled = static_cast<int>(part * kBarWidth);
  std::fprintf(stderr, "\r%s [%s%s] %3.0f %%", label_.c_str(), std::string(static_cast<size_t>(filled), '#').c_str(),
               std::string(static_cast<size_t>(kBarWidth - filled), ' ').c_str(), 100 * part);
  std::fflush(stderr);
}

}  // namespace simdrope::tool
