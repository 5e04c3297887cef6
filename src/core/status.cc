#include "core/status.h"

#include <cstdarg>
#include <cstdio>

namespace simdrope::impl {
namespace {

thread_local char last_error[512];

}  // namespace

simdrope_status Fail(simdrope_status code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(last_error, sizeof(last_error), format, arguments);
  va_end(arguments);
  return code;
}

simdrope_status FailValue(const char* name, int value, const char* type) {
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %d is none of the %s", name, value, type);
}

}  // namespace simdrope::impl

extern "C" {

const char* simdrope_last_error(void) { return simdrope::impl::last_error; }

const char* simdrope_status_name(simdrope_status status) {
  switch (status) {
    case SIMDROPE_OK: return "OK";
    case SIMDROPE_INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case SIMDROPE_OUT_OF_RANGE: return "OUT_OF_RANGE";
    case SIMDROPE_UNSUPPORTED: return "UNSUPPORTED";
    case SIMDROPE_OUT_OF_MEMORY: return "OUT_OF_MEMORY";
    case SIMDROPE_BAD_FILE: return "BAD_FILE";
  }
  return "unknown status";
}

}  // extern "C"
