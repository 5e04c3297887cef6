// A function of its own frame: what it keeps on the stack is not part of its caller's.
#ifndef SIMDROPE_CORE_NOINLINE_H_
#define SIMDROPE_CORE_NOINLINE_H_

#if defined(_MSC_VER)
#define SIMDROPE_NOINLINE __declspec(noinline)
#else
#define SIMDROPE_NOINLINE __attribute__((noinline))
#endif

#endif  // SIMDROPE_CORE_NOINLINE_H_
