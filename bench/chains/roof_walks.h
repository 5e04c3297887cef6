// Ways to read, convert and write rows of elements, and to normalise and rotate on the way.
#ifndef SIMDROPE_BENCH_CHAINS_ROOF_WALKS_H_
#define SIMDROPE_BENCH_CHAINS_ROOF_WALKS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::bench {

// `rows` rows of `elements`, a multiple of 32; inputs in_stride bytes apart, outputs without gaps.
struct ConvertSpan {
  void (*walk)(const ConvertSpan&);
  const char* in;
  char* out;
  int64_t rows;
  int64_t elements;
  int64_t in_stride;
};

struct RoofWay {
  std::string name;
  void (*(*walk)(Format in, Format out))(const ConvertSpan&);
  // Of Q and K, in heads of 128; else all is only converted.
  void (*(*walk_rotated)(Format in, Format out))(const ConvertSpan&);
};

// Those that this CPU can run.
std::vector<RoofWay> ChainRoofWays();

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_CHAINS_ROOF_WALKS_H_
