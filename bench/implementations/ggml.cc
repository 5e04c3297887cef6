// ggml on its CPU backend: ggml_rope_ext, or ggml_rope_multi for a grid, Q and K as two nodes of one graph
// over the shared buffers. It computes its angles inside the operator.
#include <stdexcept>

#include "ggml_graph.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

ggml_type TypeOf(Format format) { return format == f32 ? GGML_TYPE_F32 : GGML_TYPE_F16; }

class Ggml : public Implementation {
 public:
  std::string name() const override { return "ggml"; }
  std::string version() const override { return std::string("ggml ") + ggml_version(); }

  std::string Refuses(const Case& c) const override {
    if (c.format == bf16) return "the CPU backend's rope takes f32 and f16";
    if (!c.in_place() && c.workload.rotary_offset != 0) return "would want views and a concatenation";
    if (c.workload.axes() > 1 && c.pairing == interleaved) return "on a grid it has half pairs only";
    return "";
  }
  // Angles by repeated multiplication in float, one for each pair.
  Accuracy accuracy(const Case& c) const override {
    const Workload& w = c.workload;
    const double last = w.grid != 0 ? static_cast<double>(w.grid) : static_cast<double>(w.first_position + w.tokens());
    return {2, last * static_cast<double>(w.pairs()) * 0x1p-24};
  }

  void Prepare(const Job& job) override {
    const Workload& w = job.workload();
    graph_.Begin(job.c.threads);

    // On a grid: rows, columns, and both once more for the two sections that vision leaves unused.
    const int64_t lists = w.axes() == 1 ? 1 : 4;
    ids_.resize(lists * w.tokens());
    for (int64_t i = 0; i < lists * w.tokens(); ++i) {
      ids_[i] = static_cast<int32_t>(job.positions[i % (w.axes() * w.tokens())]);
    }
    ggml_tensor* positions = ggml_new_tensor_1d(graph_.context(), GGML_TYPE_I32, lists * w.tokens());
    graph_.Place(positions, ids_.data());
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads != 0) AddRope(job, *view, positions);
    }
  }

  void Run() override { graph_.Compute(); }

 private:
  // [head_dim or the window, heads, tokens] over `data`, with the strides of `view`.
  ggml_tensor* TensorOver(const Job& job, const TokenView& view, char* data, bool window_only) {
    const Workload& w = job.workload();
    const size_t size = static_cast<size_t>(job.c.element_size());
    ggml_tensor* tensor = ggml_new_tensor_3d(graph_.context(), TypeOf(job.c.format),
                                             window_only ? w.rotary_dim : w.head_dim, view.heads, w.tokens());
    tensor->nb[1] = static_cast<size_t>(view.head_stride) * size;
    tensor->nb[2] = static_cast<size_t>(view.token_stride) * size;
    tensor->nb[3] = tensor->nb[2] * static_cast<size_t>(w.tokens());
    graph_.Place(tensor, data + (window_only ? static_cast<size_t>(w.rotary_offset) * size : 0));
    return tensor;
  }

  void AddRope(const Job& job, const TokenView& view, ggml_tensor* positions) {
    const Workload& w = job.workload();
    const bool in_place = job.c.in_place();
    const bool window_only = w.rotary_offset != 0;
    ggml_tensor* in = TensorOver(job, view, view.in, window_only);
    const float theta = static_cast<float>(w.theta);
    ggml_tensor* out;
    if (w.axes() == 1) {
      const auto rope = in_place ? ggml_rope_ext_inplace : ggml_rope_ext;
      const int mode = job.c.pairing == half ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL;
      out = rope(graph_.context(), in, positions, nullptr, static_cast<int>(w.rotary_dim), mode, 0, theta, 1, 0, 1, 32,
                 1);
    } else {
      const auto rope = in_place ? ggml_rope_multi_inplace : ggml_rope_multi;
      const int quarter = static_cast<int>(w.head_dim / 4);
      int sections[GGML_MROPE_SECTIONS] = {quarter, quarter, quarter, quarter};
      out = rope(graph_.context(), in, positions, nullptr, static_cast<int>(w.head_dim / 2), sections,
                 GGML_ROPE_TYPE_VISION, 0, theta, 1, 0, 1, 32, 1);
    }
    if (in_place) {
      if (ggml_backend_view_init(out) != GGML_STATUS_SUCCESS) throw std::runtime_error("ggml does not take the view");
    } else {
      const size_t size = static_cast<size_t>(job.c.element_size());
      out->nb[1] = static_cast<size_t>(view.head_stride) * size;
      out->nb[2] = static_cast<size_t>(view.token_stride) * size;
      out->nb[3] = out->nb[2] * static_cast<size_t>(w.tokens());
      graph_.Place(out, view.out);
    }
    graph_.Add(out);
  }

  GgmlGraph graph_;
  std::vector<int32_t> ids_;
};

}  // namespace

Implementations MakeGgml() {
  Implementations implementations;
  implementations.push_back(std::make_unique<Ggml>());
  return implementations;
}

}  // namespace simdrope::bench
