// simdrope's kernels of the straight road alone, from inside the library: what apply adds to them is the cost of a
// call.
#include <stdexcept>

#include "implementation.h"
#include "kernels/kernels.h"

namespace simdrope::bench {
namespace {

class RowFunctions : public Implementation {
 public:
  std::string name() const override { return "rows"; }

  std::string Refuses(const Case& c) const override {
    if (c.threads > 1) return "knows nothing of threads";
    if (!c.in_place() && !c.workload.whole_heads()) return "does not copy the rest of a head";
    return "";
  }

  void Prepare(const Job& job) override {
    const impl::Kernels* kernels = nullptr;
    if (impl::FindKernels(&kernels) != SIMDROPE_OK) throw std::runtime_error(simdrope_last_error());
    const Format format = job.c.format;
    run_ = kernels->rotate[format][job.c.pairing];
    calls_.clear();
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads != 0) AddCalls(job, *view);
    }
  }

  void Run() override {
    for (const impl::StraightCall& call : calls_) run_(call);
  }

 private:
  // A call for the heads of each token, or for the tokens of each head, as they lie in memory.
  void AddCalls(const Job& job, const TokenView& view) {
    const Workload& w = job.workload();
    const int64_t size = job.c.element_size();
    const bool by_token = w.layout == Layout::kBSHD;
    const int64_t outer = by_token ? w.tokens() : view.heads;
    const int64_t outer_stride = (by_token ? view.token_stride : view.head_stride) * size;
    const int64_t head_stride = (by_token ? view.head_stride : view.token_stride) * size;
    const int64_t offset = w.rotary_offset * size;
    for (int64_t i = 0; i < outer; ++i) {
      impl::StraightCall call{};
      call.in = view.in + i * outer_stride + offset;
      call.out = view.out + i * outer_stride + offset;
      call.in_head_stride = call.out_head_stride = call.in_token_stride = call.out_token_stride = head_stride;
      call.split = w.pairs();
      call.cos = job.cos + (by_token ? i * w.pairs() : 0);
      call.sin = job.sin + (by_token ? i * w.pairs() : 0);
      call.cos_sin_stride = w.pairs();
      call.tokens = static_cast<size_t>(by_token ? 1 : w.tokens());
      call.heads = static_cast<size_t>(by_token ? view.heads : 1);
      call.pairs = static_cast<size_t>(w.pairs());
      calls_.push_back(call);
    }
  }

  impl::StraightFunction run_ = nullptr;
  std::vector<impl::StraightCall> calls_;
};

}  // namespace

Implementations MakeRowFunctions() {
  Implementations implementations;
  implementations.push_back(std::make_unique<RowFunctions>());
  return implementations;
}

}  // namespace simdrope::bench
