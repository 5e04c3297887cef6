// Faults on demand: the n-th allocation fails, a system call is cut short or refused.
#ifndef SIMDROPE_TESTS_FAULTS_FAILING_H_
#define SIMDROPE_TESTS_FAULTS_FAILING_H_

#include <cstdint>
#include <functional>

namespace simdrope::test {

enum class Memory { kOneFails, kAllFailFrom };

// Runs `body` with its n-th allocation (counted from 1) failing, and none after it or all. Only operator new of the
// calling thread is counted.
struct AllocationResult {
  int64_t allocations = 0;  // asked for, the failing ones included
  int64_t kept = 0;         // not freed again at the end
};
AllocationResult WithFailingAllocation(int64_t n, Memory memory, const std::function<void()>& body);

// What the next calls of write, pread, fsync and renameat do.
struct SystemFaults {
  int64_t most_bytes = 0;       // of one write or pread; 0: as asked
  int interrupt_every = 0;      // every so many calls of write, pread and fsync give EINTR first; 0: none
  int64_t write_fails_at = -1;  // the write that would pass this many bytes gives `error`
  int fsync_fails_at = 0;       // the n-th fsync gives `error`, counted from 1
  bool rename_fails = false;
  int error = 0;
};
void SetSystemFaults(const SystemFaults& faults);  // and counts from zero
int64_t InterruptionsGiven();

}  // namespace simdrope::test

#endif  // SIMDROPE_TESTS_FAULTS_FAILING_H_
