// ggml on its CPU backend: the nodes that llama.cpp builds for a Qwen3 layer, RMS_NORM, MUL, ROPE and SET_ROWS. Its
// backend joins the first two. cos and sin are computed inside ROPE.
#include "../implementations/ggml_graph.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

using Layer = ChainLayer;

ggml_type TypeOf(Format format) {
  return format == f32 ? GGML_TYPE_F32 : format == f16 ? GGML_TYPE_F16 : GGML_TYPE_Q8_0;
}

class GgmlChain : public ChainImplementation {
 public:
  std::string name() const override { return "ggml"; }
  std::string Refuses(const ChainCase& c) const override {
    return c.formats.in == f32 ? "" : "its RMS_NORM takes f32 only";
  }
  // Angles by repeated multiplication in float, one for each pair.
  double tolerance(const ChainCase& c) const override {
    return static_cast<double>((Layer::kFirstPosition + c.tokens) * Layer::kPairs) * 0x1p-24;
  }

  void Prepare(const ChainJob& job) override {
    graph_.Begin(job.c.threads);
    ggml_context* const context = graph_.context();
    ids_.resize(static_cast<size_t>(job.c.tokens));
    for (int64_t t = 0; t < job.c.tokens; ++t)
      ids_[static_cast<size_t>(t)] = static_cast<int32_t>(Layer::kFirstPosition + t);
    ggml_tensor* const positions = ggml_new_tensor_1d(context, GGML_TYPE_I32, job.c.tokens);
    graph_.Place(positions, ids_.data());
    ggml_tensor* const slots = ggml_new_tensor_1d(context, GGML_TYPE_I64, job.c.tokens);
    graph_.Place(slots, const_cast<int64_t*>(job.slots));

    ggml_tensor* q = Rotated(job, job.q, job.q_weight, positions);
    graph_.Place(q, job.q.out);
    graph_.Add(q);
    ggml_tensor* const k = Rotated(job, job.k, job.k_weight, positions);
    if (job.c.chain.writes) {
      Write(job, job.k, k, slots);
      Write(job, job.v, Input(job, job.v), slots);
    } else {
      graph_.Place(k, job.k.out);
      graph_.Add(k);
    }
    graph_.AllocateRest();
  }

  void Run() override { graph_.Compute(); }

 private:
  ggml_tensor* Input(const ChainJob& job, const ChainOperand& o) {
    ggml_tensor* const x = ggml_new_tensor_3d(graph_.context(), GGML_TYPE_F32, Layer::kHeadDim, o.heads, job.c.tokens);
    x->nb[2] = static_cast<size_t>(o.in_row) * sizeof(float);
    x->nb[3] = x->nb[2] * static_cast<size_t>(job.c.tokens);
    graph_.Place(x, o.in);
    return x;
  }
  ggml_tensor* Rotated(const ChainJob& job, const ChainOperand& o, const void* weight, ggml_tensor* positions) {
    ggml_context* const context = graph_.context();
    ggml_tensor* x = Input(job, o);
    if (job.c.chain.norms) {
      ggml_tensor* const w = ggml_new_tensor_1d(context, GGML_TYPE_F32, Layer::kHeadDim);
      graph_.Place(w, const_cast<void*>(weight));
      x = ggml_mul(context, ggml_rms_norm(context, x, Layer::kEps), w);
    }
    return ggml_rope_ext(context, x, positions, nullptr, static_cast<int>(Layer::kHeadDim), GGML_ROPE_TYPE_NEOX, 0,
                         static_cast<float>(Layer::kTheta), 1, 0, 1, 32, 1);
  }
  void Write(const ChainJob& job, const ChainOperand& o, ggml_tensor* x, ggml_tensor* slots) {
    ggml_context* const context = graph_.context();
    const int64_t row = o.heads * Layer::kHeadDim;
    ggml_tensor* const cache = ggml_new_tensor_2d(context, TypeOf(o.out_format), row, job.cache_rows);
    graph_.Place(cache, job.out_base(o));
    ggml_tensor* const rows = ggml_view_2d(context, x, row, job.c.tokens, x->nb[2], 0);
    graph_.Add(ggml_set_rows(context, cache, rows, slots));
  }

  GgmlGraph graph_;
  std::vector<int32_t> ids_;
};

}  // namespace

ChainImplementations MakeGgmlChains() {
  ChainImplementations implementations;
  implementations.push_back(std::make_unique<GgmlChain>());
  return implementations;
}

}  // namespace simdrope::bench
