// The same in C++.
#include <cstdio>
#include <simdrope/simdrope.hpp>

int main() {
  float q[4] = {1, 0, 0, 0};
  const auto rope = simdrope::Rope::create(simdrope::Config(4));
  if (!rope) return std::puts(rope.status().message().c_str()), 1;
  const auto status = simdrope::apply(rope->stream(1), simdrope::thd(q, 1, 1, 4));
  if (!status) return std::puts(status.message().c_str()), 1;
  return q[0] < 0.5403f || q[0] > 0.5404f || q[2] < 0.8414f || q[2] > 0.8415f;
}
