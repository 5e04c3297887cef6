// Interleaved timing: in each round every member of a group has its turn, in a new random order, so that a
// slow moment of the machine falls on all alike. Reported is the median over the rounds.
#ifndef SIMDROPE_BENCH_ROUNDS_H_
#define SIMDROPE_BENCH_ROUNDS_H_

#include <benchmark/benchmark.h>

#include "measurement.h"

namespace simdrope::bench {

struct RoundsOptions {
  int rounds = 21;
  double turn_ms = 5;           // length of a turn; at least one call
  double member_limit_s = 1.5;  // fewer rounds for what is slower, but at least 3
};

struct Timing {
  std::string name;
  std::string impl;
  double median;      // seconds a call, as the rest
  double cpu_median;  // of the calling thread alone
  double fastest;
  double lower_quartile;
  double upper_quartile;
  int rounds;
  double over_simdrope;  // time over simdrope's in the same round, the median; 0 if simdrope was not timed
  std::string label;     // of a roof: the fastest variant
};

// Times what `open` holds, and adds the families of roofs.
std::vector<Timing> TimeInterleaved(const Group& group, const OpenGroup& open, const RoundsOptions& options);

// A line for each timing, with its ratio to the roof.
void PrintTable(const Group& group, const std::vector<Timing>& timings);

std::vector<benchmark::BenchmarkReporter::Run> ToRuns(const Group& group, const std::vector<Timing>& timings);

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_ROUNDS_H_
