// Names of files that must not outlive the process that makes them.
#ifndef SIMDROPE_IO_UNFINISHED_H_
#define SIMDROPE_IO_UNFINISHED_H_

#include <string>

namespace simdrope::io {

// One file in a folder, removed with this object, by remove(), or by remove_all() from a signal handler.
// begin(), then make the file, then add(): remove_all(), in whatever thread the signal came, waits for what is between
// the two, so hold back in this thread the signals whose handlers call it.
class Unfinished {
 public:
  Unfinished() = default;
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() { remove(); }

  // False: the process is ending, nothing may be made any more.
  bool begin() noexcept;
  // `folder`: an open descriptor that outlives this; `name`: at most 255 bytes.
  void add(int folder, std::string name) noexcept;
  void remove();
  void forget();  // the file stays, or was never made
  const std::string& name() const { return name_; }

  // Of all objects of this process, after which none can begin(). Safe in a signal handler: it takes no lock and no
  // memory.
  static void remove_all();

 private:
  std::string name_;
  int folder_ = -1;
  int slot_ = -1;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_UNFINISHED_H_
