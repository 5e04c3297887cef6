// How a failure is reported: a code, and a message kept for the calling thread.
#ifndef SIMDROPE_CORE_STATUS_H_
#define SIMDROPE_CORE_STATUS_H_

#include <simdrope/simdrope.h>

#if defined(__GNUC__)
#define SIMDROPE_PRINTF(text, first) __attribute__((cold, format(printf, text, first)))
#else
#define SIMDROPE_PRINTF(text, first)
#endif

// Returns from the calling function when `expression` is not OK.
#define SIMDROPE_TRY(expression)                                        \
  do {                                                                  \
    const simdrope_status simdrope_try_status = (expression);           \
    if (simdrope_try_status != SIMDROPE_OK) return simdrope_try_status; \
  } while (0)

namespace simdrope::impl {

// Sets simdrope_last_error of this thread and returns `code`.
simdrope_status Fail(simdrope_status code, const char* format, ...) SIMDROPE_PRINTF(2, 3);

// INVALID_ARGUMENT for an enum: "`name` = `value` is none of the `type`".
simdrope_status FailValue(const char* name, int value, const char* type);

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_STATUS_H_
