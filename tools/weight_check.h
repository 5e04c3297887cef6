// Whether the shapes of a model's Q and K weights are what its config implies.
#ifndef SIMDROPE_TOOLS_WEIGHT_CHECK_H_
#define SIMDROPE_TOOLS_WEIGHT_CHECK_H_

#include <simdrope/io.hpp>
#include <string>
#include <vector>

namespace simdrope::tool {

struct WeightCheck {
  struct Mismatch {
    io::TensorShape tensor;
    std::string message;  // names the tensor, its shape and what the config implies
  };
  std::vector<std::string> files;
  int checked = 0;
  std::vector<std::string> left;  // read like Q or K, but by no known rule, or packed
  std::vector<Mismatch> mismatches;
};

WeightCheck CheckWeights(const io::Model& model, const std::vector<io::TensorShape>& shapes);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_WEIGHT_CHECK_H_
