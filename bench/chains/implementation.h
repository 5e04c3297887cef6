// What an implementation of a chain, or a yardstick for it, looks like to the benchmark.
#ifndef SIMDROPE_BENCH_CHAINS_IMPLEMENTATION_H_
#define SIMDROPE_BENCH_CHAINS_IMPLEMENTATION_H_

#include <memory>
#include <string>
#include <vector>

#include "chain_job.h"

namespace simdrope::bench {

class ChainImplementation {
 public:
  virtual ~ChainImplementation() = default;

  virtual std::string name() const = 0;
  // Why it cannot do `c`, or "".
  virtual std::string Refuses(const ChainCase& c) const = 0;
  // Gets all ready that a model would once a step or once a session. Throws std::exception.
  virtual void Prepare(const ChainJob& job) = 0;
  // Takes the prepared job's operands through the chain once.
  virtual void Run() = 0;
  // Yardsticks move the same bytes, but compute something else.
  virtual bool computes() const { return true; }
  // See ChainStage::Check.
  virtual double tolerance(const ChainCase&) const { return 0; }
};

using ChainImplementations = std::vector<std::unique_ptr<ChainImplementation>>;

// One function an adapter.
ChainImplementations MakeSimdropeChains();
ChainImplementations MakeChainRoofs();
#define DECLARE(Peer) ChainImplementations Make##Peer##Chains();
FOUND_PEERS(DECLARE)  // those of bench/meson.build
#undef DECLARE

ChainImplementations AllChainImplementations();

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_CHAINS_IMPLEMENTATION_H_
