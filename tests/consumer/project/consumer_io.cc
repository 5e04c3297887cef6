// The second library: a file that is missing is named.
#include <cstdio>
#include <simdrope/io.hpp>

int main() {
  const auto array = simdrope::io::read_npy("there is no such file.npy");
  if (array) return 1;
  std::puts(array.status().message().c_str());
  return array.status().code() != SIMDROPE_BAD_FILE;
}
