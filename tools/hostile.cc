#include "hostile.h"

#include <cmath>
#include <limits>

namespace simdrope::tool {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Pair {
  double x, y;
};

double Sign(Random& random) { return random.Below(2) == 0 ? 1 : -1; }

// One that the rotation by (cos, sin) takes to almost nothing in its first or second element.
Pair Cancelling(double cos, double sin, Random& random) {
  const double size = std::exp2(random.Below(17) - 8) * (1 + random.Uniform());
  return random.Below(2) == 0 ? Pair{size * sin, size * cos} : Pair{size * cos, -size * sin};
}

Pair Hostile(Format format, double cos, double sin, Random& random) {
  const double least = reference::LeastSubnormal(format);
  const double largest = reference::MaxFinite(format);
  switch (random.Below(10)) {
    case 0:
    case 1:
    case 2: return Cancelling(cos, sin, random);
    case 3: return {Sign(random) * least * random.Below(100), Sign(random) * least * random.Below(100)};
    case 4: return {random.Normal() * least * 0x1p8, random.Normal()};
    case 5: return {Sign(random) * 0.0, random.Below(2) == 0 ? Sign(random) * 0.0 : random.Normal()};
    case 6: return {Sign(random) * largest, Sign(random) * largest * random.Uniform()};
    case 7:
      if (random.Below(4) != 0) break;
      return {random.Below(2) == 0 ? Sign(random) * kInfinity : kNaN, random.Normal()};
    default: break;
  }
  return {random.Normal(), random.Normal()};
}

}  // namespace

const std::vector<HostileCase>& HostileCases() {
  static const std::vector<HostileCase> cases = {
      {2, 2, 0, 1e4, false},   {4, 4, 0, 1e4, true},      {6, 6, 0, 1e2, false},       {8, 2, 6, 1e4, false},
      {8, 8, 0, 1e4, false},   {10, 10, 0, 1e4, true},    {14, 14, 0, 1e4, false},     {16, 16, 0, 1e6, false},
      {18, 18, 0, 1e4, false}, {20, 12, 4, 1e4, true},    {30, 30, 0, 1e9, false},     {34, 34, 0, 1e4, false},
      {62, 62, 0, 1e4, true},  {64, 64, 0, 1e4, false},   {66, 66, 0, 5e5, false},     {80, 32, 0, 1e4, false},
      {96, 96, 0, 1e4, true},  {128, 128, 0, 5e5, false}, {130, 130, 0, 1e4, false},   {192, 64, 128, 1e4, false},
      {256, 64, 0, 1e4, true}, {256, 256, 0, 1e6, false}, {1024, 1024, 0, 1e4, false}, {1024, 1022, 2, 1e4, true},
  };
  return cases;
}

const std::vector<int64_t>& HostilePositions() {
  static const std::vector<int64_t> positions = {
      0,      1,      -1,      2,        7,        355,       -710,      1023,       4096,        65535,
      131071, 720720, 1048576, -1048576, 16777217, -16777219, 123456789, 1073741824, -2147483647, 2147483647,
  };
  return positions;
}

void FillHostile(const reference::Job& job, Random& random) {
  const simdrope_tensor& x = job.in.q;
  for (int64_t s = 0; s < x.seq; ++s) {
    const reference::Row row = job.row(false, 0, s);
    for (int64_t h = 0; h < x.heads; ++h) {
      const auto store = [&](double value, size_t d) {
        reference::Store(value, x.format, reference::ElementOf(x, 0, s, h, static_cast<int64_t>(d)));
      };
      for (int64_t d = 0; d < x.head_dim; ++d) store(random.Normal(), static_cast<size_t>(d));
      for (int i = 0; i < job.window.pairs(); ++i) {
        const size_t pair = static_cast<size_t>(i);
        const double sin = job.inverse ? -row.sin[pair] : row.sin[pair];
        const Pair values = Hostile(x.format, row.cos[pair], sin, random);
        const reference::Place place = PlaceOf(job.window, job.window.pairing, i);
        store(values.x, place.x);
        store(values.y, place.y);
      }
    }
  }
}

}  // namespace simdrope::tool
