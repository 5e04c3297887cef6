// simdrope itself, through its public API: cos and sin prepared, streamed, and with slices on the
// caller's own threads.
#include <simdrope/simdrope.hpp>
#include <stdexcept>

#include "../pool.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

enum class Angles { kPrepared, kStreamed };

void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

class Simdrope : public Implementation {
 public:
  Simdrope(std::string name, Angles angles, bool own_threads)
      : name_(std::move(name)), angles_(angles), own_threads_(own_threads) {}

  std::string name() const override { return name_; }
  std::string version() const override { return std::string(simdrope_version()) + " " + simdrope_target_in_use(); }

  std::string Refuses(const Case& c) const override {
    if (own_threads_ && c.threads == 1) return "one slice is the plain call";
    if (!own_threads_ && c.threads > 1 && !simdrope_has_tbb()) return "built without oneTBB";
    return "";
  }

  void Prepare(const Job& job) override {
    const Workload& w = job.workload();
    Result<Rope> rope = Rope::create(ConfigOf(w, job.c.pairing));
    Require(rope.status());
    rope_ = std::move(*rope);
    positions_ = Positions(w.first_position);
    if (w.axes() > 1) {
      ids_.assign(job.positions, job.positions + w.axes() * w.seq);
      positions_ = Positions::per_token(ids_.data(), w.axes(), 1, w.seq);
    } else if (w.batch > 1) {
      ids_.resize(w.batch);
      for (int64_t b = 0; b < w.batch; ++b) ids_[b] = w.first_position + b;
      positions_ = Positions::per_sequence(ids_.data(), w.batch);
    }
    if (angles_ == Angles::kStreamed) {
      cos_sin_ = rope_.stream(positions_);
    } else {
      Result<CosSin> rows = rope_.cos_sin(positions_, w.batch, w.seq);
      Require(rows.status());
      rows_ = std::move(*rows);
      cos_sin_ = rows_.view();
      ReadJobsTable(job);
    }
    in_ = QKV(job.tensor(job.q, job.q.in), job.tensor(job.k, job.k.in));
    out_ = QKV(job.tensor(job.q, job.q.out), job.tensor(job.k, job.k.out));
    in_place_ = job.c.in_place();
    options_.threads = job.c.threads;
    pool_ = own_threads_ ? &Pool::Of(job.c.threads) : nullptr;
    slice_ = [this](int index) {
      Options options;
      options.slice_index = index;
      options.slice_count = pool_->size();
      Apply(options);
    };
    Apply(options_);
    Require(Status::of(status_));
  }

  void Run() override {
    if (pool_ == nullptr) {
      Apply(options_);
    } else {
      pool_->Run(slice_);
    }
  }

 private:
  // The rows of the job, as dense as those just computed, which the other implementations read, too: rows of its own
  // would be farther away from the core, 1.5% of `prefill` in f32 in place.
  void ReadJobsTable(const Job& job) {
    simdrope_table& table = cos_sin_.table;
    const int64_t pairs = job.workload().pairs();
    if (table.row_stride != pairs || (table.batches > 1 && table.batch_stride != job.workload().seq * pairs)) {
      throw std::runtime_error("rows are not dense");
    }
    table.cos = const_cast<float*>(job.cos);
    table.sin = const_cast<float*>(job.sin);
  }

  void Apply(const Options& options) {
    const simdrope_status status = simdrope_apply(&cos_sin_, &in_, in_place_ ? nullptr : &out_, &options);
    if (status != SIMDROPE_OK) status_ = status;
  }

  std::string name_;
  Angles angles_;
  bool own_threads_;
  Rope rope_;
  Positions positions_;
  std::vector<int64_t> ids_;
  CosSin rows_;
  simdrope_cos_sin cos_sin_ = SIMDROPE_COS_SIN_INIT;
  QKV in_;
  QKV out_;
  bool in_place_ = true;
  Options options_;
  Pool* pool_ = nullptr;
  Pool::Task slice_;
  simdrope_status status_ = SIMDROPE_OK;
};

}  // namespace

Implementations MakeSimdrope() {
  Implementations implementations;
  implementations.push_back(std::make_unique<Simdrope>("simdrope", Angles::kPrepared, false));
  implementations.push_back(std::make_unique<Simdrope>("simdrope-streamed", Angles::kStreamed, false));
  implementations.push_back(std::make_unique<Simdrope>("simdrope-slices", Angles::kPrepared, true));
  return implementations;
}

}  // namespace simdrope::bench
