// In the place of oneTBB's header: a parallel_for that begins some parts, on two threads, and throws as oneTBB does
// where it finds no memory for the rest.
#ifndef SIMDROPE_TESTS_THROWING_TBB_PARALLEL_FOR_H_
#define SIMDROPE_TESTS_THROWING_TBB_PARALLEL_FOR_H_

#include <cstdint>
#include <new>
#include <thread>

namespace tbb {

struct simple_partitioner {};

// Whether a part is begun before the exception.
inline bool (*part_begins)(int64_t index) = nullptr;

template <class Body>
void parallel_for(int64_t first, int64_t last, const Body& body, simple_partitioner) {
  const auto begin_parts = [&](int64_t from) {
    for (int64_t i = from; i < last; i += 2) {
      if (part_begins(i)) body(i);
    }
  };
  std::thread other(begin_parts, first + 1);
  begin_parts(first);
  other.join();
  throw std::bad_alloc();
}

}  // namespace tbb

#endif  // SIMDROPE_TESTS_THROWING_TBB_PARALLEL_FOR_H_
