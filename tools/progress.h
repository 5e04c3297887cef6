// A progress bar on stderr, drawn only where stderr is a terminal.
#ifndef SIMDROPE_TOOLS_PROGRESS_H_
#define SIMDROPE_TOOLS_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace simdrope::tool {

class Progress {
 public:
  Progress(std::string label, int64_t total);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Add(int64_t done);

 private:
  void Draw() const;

  std::string label_;
  int64_t total_;
  int64_t done_ = 0;
  bool visible_;
  std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PROGRESS_H_
