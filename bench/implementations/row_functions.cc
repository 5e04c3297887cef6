// simdrope's row functions alone, from inside the library: what apply adds to them is the cost of a call.
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
    run_ = kernels->rotate[format][format][job.c.pairing][job.c.pairing];
    calls_.clear();
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads != 0) AddCalls(job, *view);
    }
  }

  void Run() override {
    for (const impl::RotateRows& rows : calls_) run_(rows);
  }

 private:
  // A call for the heads of each token, or for the tokens of each head, as they lie in memory.
  void AddCalls(const Job& job, const TokenView& view) {
    const Workload& w = job.workload();
    const int64_t size = job.c.element_size();
    const bool by_token = w.layout == Layout::kBSHD;
    const int64_t outer = by_token ? w.tokens() : view.heads;
    const int64_t outer_stride = (by_token ? view.token_stride : view.head_stride) * size;
    const int64_t row_stride = (by_token ? view.head_stride : view.token_stride) * size;
    const int64_t offset = w.rotary_offset * size;
    for (int64_t i = 0; i < outer; ++i) {
      impl::RotateRows rows{};
      rows.in = view.in + i * outer_stride + offset;
      rows.out = view.out + i * outer_stride + offset;
      rows.in_stride = rows.out_stride = rows.in_group_stride = rows.out_group_stride = row_stride;
      rows.in_split = rows.out_split = w.pairs();
      rows.cos = job.cos + (by_token ? i * w.pairs() : 0);
      rows.sin = job.sin + (by_token ? i * w.pairs() : 0);
      rows.angle_stride = w.pairs();
      rows.groups = static_cast<size_t>(by_token ? 1 : w.tokens());
      rows.rows = static_cast<size_t>(by_token ? view.heads : 1);
      rows.pairs = static_cast<size_t>(w.pairs());
      calls_.push_back(rows);
    }
  }

  impl::RotateFunction run_ = nullptr;
  std::vector<impl::RotateRows> calls_;
};

}  // namespace

Implementations MakeRowFunctions() {
  Implementations implementations;
  implementations.push_back(std::make_unique<RowFunctions>());
  return implementations;
}

}  // namespace simdrope::bench
