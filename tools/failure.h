// How a command gives up: one line on stderr, exit code 2.
#ifndef SIMDROPE_TOOLS_FAILURE_H_
#define SIMDROPE_TOOLS_FAILURE_H_

#include <simdrope/simdrope.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace simdrope::tool {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

template <class... Parts>
[[noreturn]] void Fail(const Parts&... parts) {
  throw Failure(Text(parts...));
}

inline void Require(const Status& status) {
  if (!status) throw Failure(status.message());
}

// `what` is named before the message, unless the message already names it.
template <class T>
T Require(Result<T> result, const std::string& what = "") {
  if (result.ok()) return *std::move(result);
  const std::string& message = result.status().message();
  if (what.empty() || message.find(what) != std::string::npos) throw Failure(message);
  throw Failure(what + ": " + message);
}

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_FAILURE_H_
