// libtorch, eager: rms_norm, the expressions of a rotation, index_copy_ into the cache, one after another.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "implementation.h"

namespace simdrope::bench {
namespace {

using Layer = ChainLayer;

c10::ScalarType TypeOf(Format format) { return format == f32 ? at::kFloat : format == f16 ? at::kHalf : at::kBFloat16; }

class TorchChain : public ChainImplementation {
 public:
  std::string name() const override { return "torch"; }
  std::string Refuses(const ChainCase& c) const override {
    return c.formats.cache == q8_0 ? "has no blocks of ggml's" : "";
  }
  // Each expression rounds to the input's format, and the tables are rounded, too.
  double tolerance(const ChainCase& c) const override {
    return 24 * (c.formats.in == f32 ? 0x1p-24 : c.formats.in == f16 ? 0x1p-11 : 0x1p-8);
  }

  void Prepare(const ChainJob& job) override {
    const c10::InferenceMode inference;
    threads_ = job.c.threads;
    norms_ = job.c.chain.norms;
    const c10::ScalarType type = TypeOf(job.c.formats.in);
    const auto view = [&](char* data, Format format, int64_t rows, int64_t heads, int64_t row) {
      return at::from_blob(data, {rows, heads, Layer::kHeadDim}, {row, Layer::kHeadDim, 1},
                           at::TensorOptions(TypeOf(format)));
    };
    const auto operand = [&](const ChainOperand& o, const void* weight) -> Operand {
      if (o.heads == 0) return {};
      Operand made;
      made.in = view(o.in, job.c.formats.in, job.c.tokens, o.heads, o.in_row);
      made.out = view(job.out_base(o), o.out_format, o.in_cache ? job.cache_rows : job.c.tokens, o.heads,
                      o.heads * Layer::kHeadDim);
      made.in_cache = o.in_cache;
      if (weight != nullptr) {
        made.weight = at::from_blob(const_cast<void*>(weight), {Layer::kHeadDim}, at::TensorOptions(type));
      }
      return made;
    };
    q_ = operand(job.q, job.q_weight);
    k_ = operand(job.k, job.k_weight);
    v_ = operand(job.v, nullptr);
    const std::vector<int64_t> table = {job.c.tokens, 1, Layer::kPairs};
    cos_ = at::from_blob(const_cast<float*>(job.cos), table, at::TensorOptions(at::kFloat)).to(type, false, true);
    sin_ = at::from_blob(const_cast<float*>(job.sin), table, at::TensorOptions(at::kFloat)).to(type, false, true);
    slots_ = at::from_blob(const_cast<int64_t*>(job.slots), {job.c.tokens}, at::TensorOptions(at::kLong));
  }

  void Run() override {
    const c10::InferenceMode inference;
    if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
    Rotate(q_);
    Rotate(k_);
    if (v_.in.defined()) Write(v_, v_.in);
  }

 private:
  struct Operand {
    at::Tensor in, out, weight;
    bool in_cache = false;
  };

  void Rotate(Operand& o) const {
    const at::Tensor x =
        norms_ ? at::rms_norm(o.in, {Layer::kHeadDim}, o.weight, static_cast<double>(Layer::kEps)) : o.in;
    const auto halves = x.chunk(2, -1);
    const at::Tensor first = halves[0] * cos_ - halves[1] * sin_;
    const at::Tensor second = halves[1] * cos_ + halves[0] * sin_;
    if (o.in_cache) {
      Write(o, at::cat({first, second}, -1));
    } else {
      at::cat_out(o.out, {first, second}, -1);
    }
  }
  void Write(Operand& o, const at::Tensor& x) const { o.out.index_copy_(0, slots_, x.to(o.out.scalar_type())); }

  int threads_ = 1;
  bool norms_ = false;
  Operand q_, k_, v_;
  at::Tensor cos_, sin_, slots_;
};

}  // namespace

ChainImplementations MakeTorchChains() {
  ChainImplementations implementations;
  implementations.push_back(std::make_unique<TorchChain>());
  return implementations;
}

}  // namespace simdrope::bench
