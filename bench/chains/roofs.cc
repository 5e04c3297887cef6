// What a chain cannot be faster than. roof-convert: a pass that reads its inputs, converts them and writes its outputs,
// without norms, rotation or maxima. roof-arithmetic: the same with the sums of squares, norms and rotations of Q and
// K, in plain intrinsics for this shape alone. Several ways to do each, of which the fastest counts.
#include <cstring>

#include "../pool.h"
#include "implementation.h"
#include "roof_walks.h"

namespace simdrope::bench {
namespace {

class ChainRoof : public ChainImplementation {
 public:
  ChainRoof(const RoofWay& way) : way_(way) {}

  std::string name() const override { return "roof-" + way_.name; }
  bool computes() const override { return false; }
  std::string Refuses(const ChainCase& c) const override {
    return way_.walk_rotated != nullptr && !c.chain.norms ? "the chain has no norms" : "";
  }

  void Prepare(const ChainJob& job) override {
    spans_.assign(static_cast<size_t>(job.c.threads), {});
    for (int i = 0; i < job.c.threads; ++i) {
      const int64_t first = job.c.tokens * i / job.c.threads, last = job.c.tokens * (i + 1) / job.c.threads;
      for (const ChainOperand* o : {&job.q, &job.k, &job.v}) {
        if (o->heads == 0 || first == last) continue;
        const Format in = job.c.formats.in;
        const int64_t row = o->heads * ChainLayer::kHeadDim;
        const auto choose = way_.walk_rotated != nullptr && o != &job.v ? way_.walk_rotated : way_.walk;
        spans_[static_cast<size_t>(i)].push_back({choose(in, o->out_format), o->in + size_of(in, first * o->in_row),
                                                  o->out + size_of(o->out_format, first * row), last - first, row,
                                                  size_of(in, o->in_row)});
      }
    }
    pool_ = &Pool::Of(job.c.threads);
    task_ = [this](int index) { WalkAll(index); };
  }
  void Run() override {
    if (spans_.size() == 1) {
      WalkAll(0);
    } else {
      pool_->Run(task_);
    }
  }

 private:
  void WalkAll(int index) const {
    for (const ConvertSpan& span : spans_[static_cast<size_t>(index)]) span.walk(span);
  }

  RoofWay way_;
  std::vector<std::vector<ConvertSpan>> spans_;
  Pool* pool_ = nullptr;
  Pool::Task task_;
};

}  // namespace

ChainImplementations MakeChainRoofs() {
  ChainImplementations implementations;
  for (const RoofWay& way : ChainRoofWays()) implementations.push_back(std::make_unique<ChainRoof>(way));
  return implementations;
}

}  // namespace simdrope::bench
