// One job of `simdrope rotate`: what is read, what it is rotated by, what comes out.
#ifndef SIMDROPE_TOOLS_ROTATION_H_
#define SIMDROPE_TOOLS_ROTATION_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>

#include "arrays.h"
#include "chain_arguments.h"
#include "reference/job.h"
#include "rope_arguments.h"
#include "table_forms.h"
#include "token_positions.h"

namespace simdrope::tool {

struct RotateArguments {
  bool json = false;
  RopeArguments rope;
  ChainArguments chain;
  std::string q, k, v, layout = "bshd", positions = "0", cu_seqlens, out, format, out_format, out_pairing;
  std::string cos, sin, cos_sin, form, table_format, expect_q, expect_k, expect_v;
  std::optional<int64_t> heads, kv_heads;
  double atol = 0, rtol = 0;
  int threads = 0, repeat = 3;
  bool inverse = false, padding = false, check = false;

  void AddTo(CLI::App& app);
};

// Q, K or V: read, and as it comes out.
struct Side {
  std::string reference;  // "": absent
  io::Array in_array, out_array;
  Format format = f32, out_format = f32;
  Sizes sizes;
  Tensor in, out;
  StoredScales scales;  // of the output

  bool is_present() const { return !reference.empty(); }
  int64_t bytes_moved() const {
    return static_cast<int64_t>(in_array.bytes.size()) + static_cast<int64_t>(out_array.bytes.size());
  }
};

class Rotation {
 public:
  explicit Rotation(const RotateArguments& arguments);
  Rotation(const Rotation&) = delete;

  void Apply();  // may be repeated

  const Side& q() const { return q_; }
  const Side& k() const { return k_; }
  const Side& v() const { return v_; }
  const Side& first() const { return q_.is_present() ? q_ : k_.is_present() ? k_ : v_; }
  const RopeChoice& choice() const { return choice_; }
  bool has_table() const { return table_.cos != nullptr; }
  const reference::Window& window() const { return window_; }

  reference::Comparison CompareWithReference() const;

 private:
  void ReadSide(const std::string& reference, const char* usual_name, std::optional<int64_t> heads, Side& side);
  void ReadTable();
  void CheckSizes() const;
  void SetStages();
  void PrepareOutput(Side& side, bool is_cached);
  QKV inputs() const { return {q_.in, k_.in, v_.in}; }
  QKV outputs() const { return {q_.out, k_.out, v_.out}; }
  void CheckPositions() const;

  const RotateArguments& arguments_;
  Side q_, k_, v_;
  NormOf q_norm_, k_norm_;
  CacheShape cache_;
  RopeChoice choice_;
  Rope rope_;
  TableArrays table_arrays_;
  Table table_;
  TokenPositions positions_;
  reference::Window window_;
  CosSinView cos_sin_;
  Options options_;
};

struct Deviation {
  int64_t elements = 0;
  double worst = 0;  // absolute
  std::string first_wrong;

  bool ok() const { return first_wrong.empty(); }
};

// Compares with `reference`, an array of the same shape: |got - expected| <= atol + rtol |expected|.
Deviation CompareWithExpected(const Side& side, const std::string& reference, double atol, double rtol);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_ROTATION_H_
