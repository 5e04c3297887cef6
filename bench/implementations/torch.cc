// libtorch, eager: the expressions that flash-attention and nano-vllm write, with their last step writing to
// the shared output, and the best form in place.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include "implementation.h"

namespace simdrope::bench {
namespace {

enum class Form { kFlashAttention, kNanoVllm, kInPlace };

c10::ScalarType TypeOf(Format format) { return format == f32 ? at::kFloat : format == f16 ? at::kHalf : at::kBFloat16; }

class Torch : public Implementation {
 public:
  explicit Torch(Form form) : form_(form) {}

  std::string name() const override {
    return form_ == Form::kFlashAttention ? "torch-flash-attn"
           : form_ == Form::kNanoVllm     ? "torch-nano-vllm"
                                          : "torch-inplace";
  }
  std::string version() const override { return "libtorch " TORCH_VERSION; }

  std::string Refuses(const Case& c) const override {
    if (c.in_place() != (form_ == Form::kInPlace)) return c.in_place() ? "writes another tensor" : "in place only";
    if (form_ == Form::kFlashAttention && c.workload.rotary_offset != 0)
      return "rotates the first elements of a head only";
    if (form_ == Form::kNanoVllm && c.pairing == interleaved) return "half pairs only";
    if (form_ == Form::kNanoVllm && !c.workload.whole_heads()) return "whole heads only";
    return "";
  }
  // Products, sums and the tables are rounded one by one.
  Accuracy accuracy(const Case&) const override { return {6, 0}; }

  void Prepare(const Job& job) override {
    const c10::InferenceMode inference;
    at::set_num_threads(job.c.threads);
    threads_ = job.c.threads;
    const Workload& w = job.workload();
    format_ = TypeOf(job.c.format);
    interleaved_ = job.c.pairing == interleaved;
    offset_ = w.rotary_offset;
    rotary_dim_ = w.rotary_dim;
    tensors_.clear();
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads == 0) continue;
      const std::vector<int64_t> sizes = {w.tokens(), view->heads, w.head_dim};
      const std::vector<int64_t> strides = {view->token_stride, view->head_stride, 1};
      tensors_.push_back({at::from_blob(view->in, sizes, strides, at::TensorOptions(format_)),
                          at::from_blob(view->out, sizes, strides, at::TensorOptions(format_))});
    }
    const std::vector<int64_t> table = {w.tokens(), 1, w.pairs()};
    cos_ = at::from_blob(const_cast<float*>(job.cos), table, at::TensorOptions(at::kFloat)).clone();
    sin_ = at::from_blob(const_cast<float*>(job.sin), table, at::TensorOptions(at::kFloat)).clone();
    if (form_ == Form::kInPlace && interleaved_ && job.c.format == f32) cis_ = at::complex(cos_, sin_);
    if (form_ != Form::kNanoVllm) {
      cos_ = cos_.to(format_);
      sin_ = sin_.to(format_);
    }
    if (form_ == Form::kFlashAttention) {
      // repeat(cos, "... d -> ... 1 (2 d)"), or "(d 2)": once a step.
      cos_ = interleaved_ ? cos_.repeat_interleave(2, -1) : at::cat({cos_, cos_}, -1);
      sin_ = interleaved_ ? sin_.repeat_interleave(2, -1) : at::cat({sin_, sin_}, -1);
    }
  }

  void Run() override {
    const c10::InferenceMode inference;
    if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
    for (Pair& pair : tensors_) {
      if (form_ == Form::kFlashAttention) {
        FlashAttention(pair);
      } else if (form_ == Form::kNanoVllm) {
        NanoVllm(pair);
      } else {
        InPlace(pair);
      }
    }
  }

 private:
  struct Pair {
    at::Tensor in;
    at::Tensor out;
  };

  at::Tensor Rotated(const at::Tensor& x) const {
    if (!interleaved_) {
      const auto halves = x.chunk(2, -1);
      return at::cat({-halves[1], halves[0]}, -1);
    }
    const at::Tensor even = x.slice(-1, 0, std::nullopt, 2), odd = x.slice(-1, 1, std::nullopt, 2);
    return at::stack({-odd, even}, -1).flatten(-2);
  }
  void FlashAttention(Pair& pair) const {
    const at::Tensor window = pair.in.slice(-1, 0, rotary_dim_);
    const at::Tensor rotated = window * cos_ + Rotated(window) * sin_;
    at::cat_out(pair.out, {rotated, pair.in.slice(-1, rotary_dim_)}, -1);
  }
  void NanoVllm(Pair& pair) const {
    const auto halves = pair.in.to(at::kFloat).chunk(2, -1);
    const at::Tensor first = halves[0] * cos_ - halves[1] * sin_;
    const at::Tensor second = halves[1] * cos_ + halves[0] * sin_;
    if (format_ == at::kFloat) {
      at::cat_out(pair.out, {first, second}, -1);
    } else {
      pair.out.copy_(at::cat({first, second}, -1));
    }
  }
  void InPlace(Pair& pair) const {
    at::Tensor window = pair.in.slice(-1, offset_, offset_ + rotary_dim_);
    if (cis_.defined() && interleaved_ && format_ == at::kFloat) {
      at::view_as_complex(window.unflatten(-1, {rotary_dim_ / 2, 2})).mul_(cis_);
      return;
    }
    at::Tensor first = interleaved_ ? window.slice(-1, 0, std::nullopt, 2) : window.slice(-1, 0, rotary_dim_ / 2);
    at::Tensor second = interleaved_ ? window.slice(-1, 1, std::nullopt, 2) : window.slice(-1, rotary_dim_ / 2);
    const at::Tensor kept = first.clone();
    first.mul_(cos_).addcmul_(second, sin_, -1);
    second.mul_(cos_).addcmul_(kept, sin_);
  }

  Form form_;
  int threads_ = 1;
  c10::ScalarType format_ = at::kFloat;
  bool interleaved_ = false;
  int64_t offset_ = 0;
  int64_t rotary_dim_ = 0;
  std::vector<Pair> tensors_;
  at::Tensor cos_;
  at::Tensor sin_;
  at::Tensor cis_;
};

}  // namespace

Implementations MakeTorch() {
  Implementations implementations;
  for (const Form form : {Form::kFlashAttention, Form::kNanoVllm, Form::kInPlace}) {
    implementations.push_back(std::make_unique<Torch>(form));
  }
  return implementations;
}

}  // namespace simdrope::bench
