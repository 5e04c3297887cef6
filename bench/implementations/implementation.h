// What an implementation of the rotation, or a yardstick for it, looks like to the benchmark.
#ifndef SIMDROPE_BENCH_IMPLEMENTATIONS_IMPLEMENTATION_H_
#define SIMDROPE_BENCH_IMPLEMENTATIONS_IMPLEMENTATION_H_

#include <memory>
#include <string>
#include <vector>

#include "../check.h"
#include "../job.h"

namespace simdrope::bench {

class Implementation {
 public:
  virtual ~Implementation() = default;

  virtual std::string name() const = 0;
  // Name and version of the library behind it; "" if there is none.
  virtual std::string version() const { return ""; }
  // Why it cannot do `c`, or "".
  virtual std::string Refuses(const Case& c) const = 0;
  // Gets all ready that a model would once a step or once a session. Throws std::exception.
  virtual void Prepare(const Job& job) = 0;
  // Rotates Q and K of the prepared job once.
  virtual void Run() = 0;
  // Yardsticks move the same bytes, but do not rotate.
  virtual bool rotates() const { return true; }
  virtual Accuracy accuracy(const Case&) const { return {}; }
};

using Implementations = std::vector<std::unique_ptr<Implementation>>;

// One function an adapter. An empty list: not on this machine.
Implementations MakeSimdrope();
Implementations MakeRowFunctions();
Implementations MakeRoofs();
Implementations MakeMemcpy();
Implementations MakePlainLoops();
#define DECLARE(Peer) Implementations Make##Peer();
FOUND_PEERS(DECLARE)  // those of bench/meson.build
#undef DECLARE

// An implementation that was not built in, and why.
struct Absent {
  std::string name;
  std::string reason;
};

Implementations AllImplementations();
std::vector<Absent> AbsentImplementations();

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_IMPLEMENTATIONS_IMPLEMENTATION_H_
