// The plain loop: scalar, and as GCC and clang vectorise it for this machine. Tokens, or heads where
// tokens are few, are split evenly over the pool.
#include <cstring>

#include "../pool.h"
#include "implementation.h"
#include "plain_loop.h"

namespace simdrope::bench {
namespace {

class Loop : public Implementation {
 public:
  Loop(std::string name, const PlainLoopBuild& build, bool one_thread)
      : name_(std::move(name)), build_(build), one_thread_(one_thread) {}

  std::string name() const override { return name_; }
  std::string version() const override { return build_.compiler; }
  std::string Refuses(const Case& c) const override {
    if (c.format == f16 && !build_.has_f16) return "its compiler has no 16-bit float here";
    return one_thread_ && c.threads > 1 ? "shown on one thread only" : "";
  }

  void Prepare(const Job& job) override {
    const Workload& w = job.workload();
    pool_ = &Pool::Of(job.c.threads);
    parts_.assign(job.c.threads, {});
    for (const TokenView* view : {&job.q, &job.k}) {
      if (view->heads == 0) continue;
      PlainLoop whole{view->in,
                      view->out,
                      job.c.format,
                      job.c.pairing == interleaved,
                      0,
                      w.tokens(),
                      0,
                      view->heads,
                      view->token_stride,
                      view->head_stride,
                      w.head_dim,
                      w.rotary_dim,
                      w.rotary_offset,
                      job.cos,
                      job.sin};
      for (int64_t i = 0; i < job.c.threads; ++i) {
        PlainLoop part = whole;
        const bool by_token = w.tokens() >= job.c.threads;
        int64_t& first = by_token ? part.first_token : part.first_head;
        int64_t& last = by_token ? part.last_token : part.last_head;
        const int64_t all = last;
        first = all * i / job.c.threads;
        last = all * (i + 1) / job.c.threads;
        parts_[i].push_back(part);
      }
    }
    task_ = [this](int index) {
      for (const PlainLoop& part : parts_[index]) build_.rotate(part);
    };
  }

  void Run() override {
    if (parts_.size() == 1) {
      for (const PlainLoop& part : parts_[0]) build_.rotate(part);
    } else {
      pool_->Run(task_);
    }
  }

 private:
  std::string name_;
  PlainLoopBuild build_;
  bool one_thread_;
  Pool* pool_ = nullptr;
  std::vector<std::vector<PlainLoop>> parts_;
  Pool::Task task_;
};

}  // namespace

Implementations MakePlainLoops() {
  Implementations implementations;
  implementations.push_back(std::make_unique<Loop>("loop-scalar", loop_scalar::Build(), true));
#ifdef HAVE_LOOP_GCC
  implementations.push_back(std::make_unique<Loop>("loop-gcc", loop_gcc::Build(), false));
#endif
#ifdef HAVE_LOOP_CLANG
  implementations.push_back(std::make_unique<Loop>("loop-clang", loop_clang::Build(), false));
#endif
  return implementations;
}

}  // namespace simdrope::bench
