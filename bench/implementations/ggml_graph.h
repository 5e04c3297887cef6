// A graph of ggml's CPU backend over buffers that are there already.
#ifndef SIMDROPE_BENCH_IMPLEMENTATIONS_GGML_GRAPH_H_
#define SIMDROPE_BENCH_IMPLEMENTATIONS_GGML_GRAPH_H_

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpp.h>
#include <ggml.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace simdrope::bench {

class GgmlGraph {
 public:
  // Forgets an earlier graph.
  void Begin(int threads) {
    LoadBackends();
    if (backend_ == nullptr) backend_.reset(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
    if (backend_ == nullptr) throw std::runtime_error("ggml has no CPU backend");
    const auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device()), "ggml_backend_set_n_threads"));
    if (set_threads == nullptr) throw std::runtime_error("the CPU backend has no number of threads");
    set_threads(backend_.get(), threads);
    allocator_.reset();
    buffers_.clear();
    context_.reset(ggml_init({ggml_tensor_overhead() * 64 + ggml_graph_overhead(), nullptr, true}));
    graph_ = ggml_new_graph(context_.get());
  }

  ggml_context* context() const { return context_.get(); }

  // `tensor` lies where the data is.
  void Place(ggml_tensor* tensor, void* data) {
    // The backend wants its own alignment of a buffer's base.
    constexpr uintptr_t kAlignment = 64;
    const uintptr_t base = reinterpret_cast<uintptr_t>(data) / kAlignment * kAlignment;
    const size_t bytes = ggml_nbytes(tensor) + (reinterpret_cast<uintptr_t>(data) - base);
    buffers_.emplace_back(ggml_backend_dev_buffer_from_host_ptr(device(), reinterpret_cast<void*>(base), bytes, bytes));
    if (ggml_backend_tensor_alloc(buffers_.back().get(), tensor, data) != GGML_STATUS_SUCCESS) {
      throw std::runtime_error("ggml does not take the buffer");
    }
  }

  void Add(ggml_tensor* result) { ggml_build_forward_expand(graph_, result); }

  // Memory for what was not placed, as engines get it: reused as soon as nothing reads it any more.
  void AllocateRest() {
    allocator_.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend_.get())));
    if (!ggml_gallocr_alloc_graph(allocator_.get(), graph_)) throw std::runtime_error("ggml cannot allocate the graph");
  }

  void Compute() {
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
  ggml_backend_dev_t device() const { return ggml_backend_get_device(backend_.get()); }

  ggml_backend_ptr backend_;
  std::vector<ggml_backend_buffer_ptr> buffers_;
  ggml_context_ptr context_;
  ggml_gallocr_ptr allocator_;
  ggml_cgraph* graph_ = nullptr;
};

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_IMPLEMENTATIONS_GGML_GRAPH_H_
