// How readers fail: one Status made at the spot that knows the key or offset.
#ifndef SIMDROPE_IO_FAILURE_H_
#define SIMDROPE_IO_FAILURE_H_

#include <exception>
#include <new>
#include <simdrope/simdrope.hpp>
#include <string>
#include <string_view>
#include <type_traits>

namespace simdrope::io {

inline std::string to_text(std::string_view text) { return std::string(text); }
template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
std::string to_text(T number) {
  return std::to_string(number);
}

template <class... Parts>
Status failure(simdrope_status code, const Parts&... parts) {
  std::string message;
  ((message += to_text(parts)), ...);
  return {code, std::move(message)};
}

template <class... Parts>
Status bad_file(const Parts&... parts) {
  return failure(SIMDROPE_BAD_FILE, parts...);
}

inline Status with_path(const std::string& path, const Status& status) {
  return {status.code(), path + ": " + status.message()};
}

// Runs `body` so that no exception leaves it.
template <class Body>
auto guarded(Body body) -> decltype(body()) {
  try {
    try {
      return body();
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      return Status(SIMDROPE_BAD_FILE, e.what());  // which may run out of memory too
    }
  } catch (const std::bad_alloc&) {
    return Status(SIMDROPE_OUT_OF_MEMORY, "out of memory");
  }
}

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_FAILURE_H_
