// ggml on its CPU backend: ggml_rope_ext, or ggml_rope_multi for a grid, Q and K as two nodes of one graph
// over the shared buffers. It computes its angles inside the operator.
#include <ggml-backend.h>
#include <ggml-cpp.h>
#include <ggml.h>

#include <stdexcept>

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
    LoadBackends();
    backend_.reset(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
    if (backend_ == nullptr) throw std::runtime_error("ggml has no CPU backend");
    ggml_backend_dev_t device = ggml_backend_get_device(backend_.get());
    const auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
    if (set_threads == nullptr) throw std::runtime_error("the CPU backend has no number of threads");
    set_threads(backend_.get(), job.c.threads);

    buffers_.clear();
    context_.reset(ggml_init({ggml_tensor_overhead() * 32 + ggml_graph_overhead(), nullptr, true}));
    graph_ = ggml_new_graph(context_.get());

    // On a grid: rows, columns, and both once more for the two sections that vision leaves unused.
    const int64_t lists = w.axes() == 1 ? 1 : 4;
    ids_.resize(lists * w.tokens());
    for (int64_t i = 0; i < lists * w.tokens(); ++i) {
      ids_[i] = static_cast<int32_t>(job.positions[i % (w.axes() * w.tokens())]);
    }
    ggml_tensor* positions = ggml_new_tensor_1d(context_.get(), GGML_TYPE_I32, lists * w.tokens());
    Place(positions, ids_.data());
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads != 0) AddRope(job, *view, positions);
    }
  }

  void Run() override {
    if (ggml_backend_graph_compute(backend_.get(), graph_) != GGML_STATUS_SUCCESS) std::abort();
  }

 private:
  static void LoadBackends() {
    static const bool once = [] {
      ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
      ggml_backend_load_all();
      return true;
    }();
    (void)once;
  }

  void Place(ggml_tensor* tensor, void* data) {
    // The backend wants its own alignment of a buffer's base; the tensor lies where the data is.
    constexpr uintptr_t kAlignment = 64;
    const uintptr_t base = reinterpret_cast<uintptr_t>(data) / kAlignment * kAlignment;
    const size_t bytes = ggml_nbytes(tensor) + (reinterpret_cast<uintptr_t>(data) - base);
    buffers_.emplace_back(ggml_backend_dev_buffer_from_host_ptr(ggml_backend_get_device(backend_.get()),
                                                                reinterpret_cast<void*>(base), bytes, bytes));
    if (ggml_backend_tensor_alloc(buffers_.back().get(), tensor, data) != GGML_STATUS_SUCCESS) {
      throw std::runtime_error("ggml does not take the buffer");
    }
  }

  // [head_dim or the window, heads, tokens] over `data`, with the strides of `view`.
  ggml_tensor* TensorOver(const Job& job, const TokenView& view, char* data, bool window_only) {
    const Workload& w = job.workload();
    const size_t size = static_cast<size_t>(job.c.element_size());
    ggml_tensor* tensor = ggml_new_tensor_3d(context_.get(), TypeOf(job.c.format),
                                             window_only ? w.rotary_dim : w.head_dim, view.heads, w.tokens());
    tensor->nb[1] = static_cast<size_t>(view.head_stride) * size;
    tensor->nb[2] = static_cast<size_t>(view.token_stride) * size;
    tensor->nb[3] = tensor->nb[2] * static_cast<size_t>(w.tokens());
    Place(tensor, data + (window_only ? static_cast<size_t>(w.rotary_offset) * size : 0));
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
      out =
          rope(context_.get(), in, positions, nullptr, static_cast<int>(w.rotary_dim), mode, 0, theta, 1, 0, 1, 32, 1);
    } else {
      const auto rope = in_place ? ggml_rope_multi_inplace : ggml_rope_multi;
      const int quarter = static_cast<int>(w.head_dim / 4);
      int sections[GGML_MROPE_SECTIONS] = {quarter, quarter, quarter, quarter};
      out = rope(context_.get(), in, positions, nullptr, static_cast<int>(w.head_dim / 2), sections,
                 GGML_ROPE_TYPE_VISION, 0, theta, 1, 0, 1, 32, 1);
    }
    if (in_place) {
      if (ggml_backend_view_init(out) != GGML_STATUS_SUCCESS) throw std::runtime_error("ggml does not take the view");
    } else {
      const size_t size = static_cast<size_t>(job.c.element_size());
      out->nb[1] = static_cast<size_t>(view.head_stride) * size;
      out->nb[2] = static_cast<size_t>(view.token_stride) * size;
      out->nb[3] = out->nb[2] * static_cast<size_t>(w.tokens());
      Place(out, view.out);
    }
    ggml_build_forward_expand(graph_, out);
  }

  ggml_backend_ptr backend_;
  std::vector<ggml_backend_buffer_ptr> buffers_;
  ggml_context_ptr context_;
  ggml_cgraph* graph_ = nullptr;
  std::vector<int32_t> ids_;
};

}  // namespace

Implementations MakeGgml() {
  Implementations implementations;
  implementations.push_back(std::make_unique<Ggml>());
  return implementations;
}

}  // namespace simdrope::bench
