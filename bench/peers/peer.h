// What an implementation of the rotation, or a yardstick for it, looks like to the benchmark.
#ifndef SIMDROPE_BENCH_PEERS_PEER_H_
#define SIMDROPE_BENCH_PEERS_PEER_H_

#include <memory>
#include <string>
#include <vector>

#include "../job.h"
#include "../reference.h"

namespace simdrope::bench {

class Peer {
 public:
  virtual ~Peer() = default;

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

using Peers = std::vector<std::unique_ptr<Peer>>;

// One function an adapter. An empty list: not on this machine.
Peers MakeSimdrope();
Peers MakeRowFunctions();
Peers MakeRoofs();
Peers MakeMemcpy();
Peers MakePlainLoops();
Peers MakeOnnxRuntime();
Peers MakeGgml();
Peers MakeTorch();

// A peer that was not built in, and why.
struct Absent {
  std::string name;
  std::string reason;
};

Peers AllPeers();
std::vector<Absent> AbsentPeers();

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_PEERS_PEER_H_
