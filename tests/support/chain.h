// A random chain: formats x norms x pairings x window x layouts and caches x slots x Hadamard x scale, in place or not,
// with any of Q, K and V, checked against the reference and against itself.
#ifndef SIMDROPE_TESTS_SUPPORT_CHAIN_H_
#define SIMDROPE_TESTS_SUPPORT_CHAIN_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/call.h"
#include "support/ids.h"

namespace testing {

class Chain {
 public:
  explicit Chain(uint64_t seed);

  // "" where a serial call agrees with the reference, its stored bits with the reference's encoding of its own float
  // results, and slices, oneTBB and a Plan with it, bit by bit. Target by target; all `fused` ones agree as well.
  std::string Check();

  std::string Describe() const;

  bool has_slots() const { return has_slots_; }
  bool has_norm() const;
  bool is_quantised() const;
  bool in_place() const { return in_place_; }

 private:
  struct Sides {
    simdrope_tensor in;
    simdrope_tensor out;
  };

  void DrawOptions();
  void DrawOperand(Operand operand, int64_t batch, int64_t seq, int64_t heads);
  simdrope_stages DrawStages(Operand operand, int64_t heads);
  simdrope_norm DrawNorm(int64_t heads);
  Format DrawFormat();
  simdrope_tensor DrawTensor(Format format, int64_t batch, int64_t seq, int64_t heads, bool is_output);
  void AddSlots(simdrope_tensor* tensor, int64_t batch, int64_t seq, bool distinct);
  void DrawScales(simdrope_tensor* tensor, bool is_output);
  void Fill(const simdrope_tensor& tensor);
  Buffer* NewBuffer(int64_t bytes, int misalignment = 0);

  simdrope::Status Apply(const simdrope::Options& options, const simdrope::QKV& out);
  std::string CheckStoredBits(const std::vector<std::vector<char>>& before);
  std::string CheckSame(const char* what, const std::vector<std::vector<char>>& before,
                        const std::vector<std::vector<char>>& whole, const std::function<simdrope::Status()>& run);
  simdrope::Status RunPlan();
  simdrope::Status RunSlices();

  Random random_;
  int64_t head_dim_ = 0;
  bool blocks_ = false;  // head_dim suits Q8_0 and Q4_0
  bool in_place_ = false;
  bool has_slots_ = false;
  bool by_position_ = false;  // K's and V's caches are written by position
  simdrope::Config config_;
  simdrope::Options options_;
  std::optional<simdrope::Result<simdrope::Rope>> rope_;
  simdrope::CosSinView cos_sin_;
  std::unique_ptr<Ids> ids_;
  std::unique_ptr<Ids> key_ids_;  // null: as Q's
  std::deque<Buffer> memory_;
  std::deque<std::vector<int64_t>> ids64_;
  std::deque<std::vector<int32_t>> ids32_;
  std::vector<Buffer*> buffers_;
  Job job_;
};

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_CHAIN_H_
