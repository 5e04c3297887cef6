// simdrope: the chain as one call with rows prepared once a step, as a plan, with rows computed inside the call, and as
// calls one after another, which is what an engine with its own norm and cache kernels does.
#include <simdrope/simdrope.hpp>
#include <stdexcept>

#include "../buffers.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

using Layer = ChainLayer;

void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

enum class Way { kApply, kPlan, kStreamed, kSeparate };

class SimdropeChain : public ChainImplementation {
 public:
  SimdropeChain(std::string name, Way way) : name_(std::move(name)), way_(way) {}

  std::string name() const override { return name_; }
  std::string Refuses(const ChainCase& c) const override {
    if (c.threads > 1 && !simdrope_has_tbb()) return "built without oneTBB";
    return "";
  }
  // Its separate calls round to the input's format after each.
  double tolerance(const ChainCase& c) const override {
    if (way_ != Way::kSeparate) return 0;
    return 8 * (c.formats.in == f32 ? 0x1p-24 : c.formats.in == f16 ? 0x1p-11 : 0x1p-8);
  }

  void Prepare(const ChainJob& job) override {
    Result<Rope> rope = Rope::create(Config(static_cast<int>(Layer::kHeadDim), Layer::kTheta));
    Require(rope.status());
    rope_ = *std::move(rope);
    if (way_ == Way::kStreamed) {
      view_ = rope_.stream(Positions(Layer::kFirstPosition));
    } else {
      Result<CosSin> rows = rope_.cos_sin(Positions(Layer::kFirstPosition), 1, job.c.tokens);
      Require(rows.status());
      rows_ = *std::move(rows);
      view_ = rows_.view();
    }
    calls_.clear();
    if (way_ == Way::kSeparate) {
      PlanCalls(job);
    } else {
      Options options;
      SetNorms(job, &options);
      const QKV in(job.input(job.q), job.input(job.k), job.input(job.v));
      Add(true, in, QKV(job.output(job.q), job.output(job.k), job.output(job.v)), options, job.c.threads);
    }
    if (way_ == Way::kPlan) {
      Result<Plan> plan = Plan::create(view_, calls_[0].in, calls_[0].out, calls_[0].options);
      Require(plan.status());
      plan_ = *std::move(plan);
      run_ = plan_.pointers();
    }
    Run();
    Require(Status::of(status_));
  }

  void Run() override {
    if (way_ == Way::kPlan) {
      Note(plan_.run(run_).code());
      return;
    }
    for (const Call& call : calls_) {
      Note(simdrope_apply(call.rotates ? &view_ : nullptr, &call.in, &call.out, &call.options));
    }
  }

 private:
  struct Call {
    bool rotates;
    QKV in;
    QKV out;
    Options options;
  };

  void Note(simdrope_status status) {
    if (status != SIMDROPE_OK) status_ = status;
  }
  void Add(bool rotates, const QKV& in, const QKV& out, Options options, int threads) {
    options.threads = threads;
    calls_.push_back({rotates, in, out, options});
  }
  static void SetNorms(const ChainJob& job, Options* options) {
    if (!job.c.chain.norms) return;
    options->q.norm = rms_norm(job.q_weight, job.c.formats.in, Layer::kEps);
    options->k.norm = rms_norm(job.k_weight, job.c.formats.in, Layer::kEps);
  }

  // Norms, then the rotation, then the write of K and V. K waits in `between_` for it.
  void PlanCalls(const ChainJob& job) {
    const int64_t row = job.k.heads * Layer::kHeadDim;
    between_ = Buffer(static_cast<size_t>(size_of(job.c.formats.in, job.c.tokens * row)));
    Options norms;
    SetNorms(job, &norms);
    const Tensor k_between = thd(between_.data(), job.c.formats.in, job.c.tokens, job.k.heads, Layer::kHeadDim);
    const Tensor q_out = job.output(job.q), k_out = job.c.chain.writes ? k_between : job.output(job.k);
    Tensor q = job.input(job.q), k = job.input(job.k);
    const auto add_norm = [&](Tensor* in, const Tensor& out, const simdrope_norm& norm) {
      Options options;
      options.v.norm = norm;
      Add(false, QKV(Tensor(), Tensor(), *in), QKV(Tensor(), Tensor(), out), options, job.c.threads);
      *in = out;
    };
    if (job.c.chain.norms) {
      add_norm(&q, q_out, norms.q.norm);
      add_norm(&k, k_out, norms.k.norm);
    }
    Add(true, QKV(q, k), QKV(q_out, k_out), {}, job.c.threads);
    if (!job.c.chain.writes) return;
    Add(false, QKV(Tensor(), Tensor(), k_out), QKV(Tensor(), Tensor(), job.output(job.k)), {}, job.c.threads);
    Add(false, QKV(Tensor(), Tensor(), job.input(job.v)), QKV(Tensor(), Tensor(), job.output(job.v)), {},
        job.c.threads);
  }

  std::string name_;
  Way way_;
  Rope rope_;
  CosSin rows_;
  simdrope_cos_sin view_ = SIMDROPE_COS_SIN_INIT;
  std::vector<Call> calls_;
  Buffer between_;
  Plan plan_;
  simdrope_run run_{};
  simdrope_status status_ = SIMDROPE_OK;
};

}  // namespace

ChainImplementations MakeSimdropeChains() {
  ChainImplementations implementations;
  implementations.push_back(std::make_unique<SimdropeChain>("simdrope", Way::kApply));
  implementations.push_back(std::make_unique<SimdropeChain>("simdrope-plan", Way::kPlan));
  implementations.push_back(std::make_unique<SimdropeChain>("simdrope-streamed", Way::kStreamed));
  implementations.push_back(std::make_unique<SimdropeChain>("simdrope-separate", Way::kSeparate));
  return implementations;
}

}  // namespace simdrope::bench
