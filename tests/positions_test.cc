// Every form of positions gives each token the row of its position; every misfit is refused.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"

using namespace testing;

namespace {

struct Drawn {
  IdsDraw ids;
  simdrope::Config config;
};

std::string RunStreamed(const Drawn& drawn, Random* random) {
  const auto rope = simdrope::Rope::create(drawn.config);
  if (!rope) return rope.status().message();
  const Ids ids(drawn.ids, random);
  Tensors q =
      MakeTensors(Layout::kBshd, {drawn.ids.batch, drawn.ids.seq, 1, 1, 0, drawn.config.head_dim}, simdrope::f32);
  Job job;
  UseRope(*rope, drawn.config, ids, &job);
  job.in = job.out = q.qkv;
  FillInputs(job, Inputs::kTame, random);
  const std::vector<Buffer*> buffers = BuffersOf(&q);
  const std::vector<std::vector<char>> before = BytesOf(buffers);
  const std::string mismatch = CheckJob(job, buffers, [&] { return simdrope::apply(rope->stream(ids.view()), q.qkv); });
  if (!mismatch.empty()) return "streamed: " + mismatch;
  const std::vector<std::vector<char>> streamed = BytesOf(buffers);

  const auto rows = rope->cos_sin(ids.view(), drawn.ids.batch, drawn.ids.seq);
  if (!rows) return rows.status().message();
  RestoreBytes(buffers, before);
  const simdrope::Status status = simdrope::apply(*rows, q.qkv);
  if (!status) return "prepared: " + status.message();
  return BytesOf(buffers) == streamed ? "" : "prepared and streamed rows differ";
}

simdrope::Config ThreeAxes() {
  simdrope::Config config(24);
  config.axes.count = 3;
  config.axes.sections[0] = config.axes.sections[1] = config.axes.sections[2] = 4;
  return config;
}

// The status of applying to one [batch, seq, 1, 8] tensor with `positions`, and that on failure nothing
// was written.
simdrope::Status Try(const simdrope::Positions& positions, int64_t batch, int64_t seq,
                     const simdrope::Config& config = simdrope::Config(8)) {
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  Tensors q = MakeTensors(Layout::kBshd, {batch, seq, 1, 0, 0, config.head_dim}, simdrope::f32);
  const std::vector<char> before = q.buffers[0].Bytes();
  const simdrope::Status status = simdrope::apply(rope->stream(positions), q.qkv);
  if (!status) CHECK(q.buffers[0].Bytes() == before);
  CHECK(q.buffers[0].GuardsIntact());
  return status;
}

void CheckRefused(const simdrope::Positions& positions, int64_t batch, int64_t seq, const char* says) {
  const simdrope::Status status = Try(positions, batch, seq);
  CHECK(status.code() == SIMDROPE_INVALID_ARGUMENT);
  const bool said = status.message().find(says) != std::string::npos;
  CHECK_MESSAGE(said, status.message(), " does not say ", says);
}

// Whether `pairs` floats from element `at` on are those of another row. (-0 and 0 are distinct.)
bool IsSameRow(const void* rows, int64_t at, const void* row, size_t pairs) {
  return std::memcmp(static_cast<const char*>(rows) + at * static_cast<int64_t>(sizeof(float)), row,
                     pairs * sizeof(float)) == 0;
}

// Tokens whose ids change alike for some tokens on end, and then otherwise; from 0, and from where the parts of an
// angle are left out or wrap.
std::vector<int64_t> RunsOfIds(int axes, int64_t seq, int64_t first, Random* random) {
  std::vector<int64_t> ids;
  for (int a = 0; a < axes; ++a) {
    uint64_t id = static_cast<uint64_t>(first);
    uint64_t to_next = 1;
    for (int64_t s = 0; s < seq; ++s) {
      ids.push_back(static_cast<int64_t>(id));
      if (random->Chance(9)) to_next = static_cast<uint64_t>(random->Pick<int64_t>({0, 1, -1, 7, 1 << 20, INT64_MIN}));
      id += to_next;
    }
  }
  return ids;
}

}  // namespace

TEST_CASE("every form, on one axis and on several, with and without padding") {
  Random random(31);
  int runs = 0;
  for (const IdsForm form : kIdsForms) {
    for (const int axes : {1, 3}) {
      for (const bool padding : {false, true}) {
        for (const int64_t seq : {0, 1, 2, 9, 33}) {
          const bool packed = form == IdsForm::kPacked || form == IdsForm::kPackedOffsets;
          if (form == IdsForm::kOnePerSequence && seq == 0) continue;
          Drawn drawn;
          drawn.config = axes == 1 ? simdrope::Config(16) : ThreeAxes();
          drawn.ids = {form, packed ? 1 : random.Int(1, 3), seq, axes, -50, 5000, padding};
          CAPTURE(static_cast<int>(form));
          CAPTURE(axes);
          CAPTURE(padding);
          CAPTURE(seq);
          CHECK(RunStreamed(drawn, &random) == "");
          ++runs;
        }
      }
    }
  }
  CHECK(runs > 120);
}

TEST_CASE("far and negative 64-bit positions") {
  Random random(32);
  for (const int64_t reach : {int64_t{1} << 20, int64_t{1} << 24}) {
    for (const IdsForm form : {IdsForm::kStart, IdsForm::kOffsets, IdsForm::kPerToken}) {
      Drawn drawn;
      drawn.config = simdrope::Config(32, 5e5);
      drawn.ids = {form, 2, 7, 1, -reach, reach, false};
      CHECK(RunStreamed(drawn, &random) == "");
    }
  }
}

TEST_CASE("rows of tokens that are computed together are the rows of each alone") {
  constexpr int64_t kSeq = 150;
  Random random(33);
  for (const int axes : {1, 3}) {
    const simdrope::Config config = axes == 1 ? simdrope::Config(24) : ThreeAxes();
    const auto rope = simdrope::Rope::create(config);
    REQUIRE(rope.ok());
    for (const int64_t first : {int64_t{0}, (int64_t{1} << 40) - 20, -(int64_t{1} << 40) - 20, INT64_MAX - 20}) {
      const std::vector<int64_t> ids = RunsOfIds(axes, kSeq, first, &random);
      ForEachTarget([&](const simdrope_target&) {
        const auto together = rope->cos_sin(simdrope::Positions::per_token(ids.data(), axes, 1, kSeq), 1, kSeq);
        REQUIRE(together.ok());
        const simdrope_table& rows = together->view().table;
        for (int64_t s = 0; s < kSeq; ++s) {
          simdrope::Positions token = simdrope::Positions::per_token(&ids[static_cast<size_t>(s)], axes, 1, 1);
          token.axis_stride = kSeq;
          const auto alone = rope->cos_sin(token, 1, 1);
          REQUIRE(alone.ok());
          INFO("axes ", axes, ", first ", first, ", token ", s);
          CHECK(IsSameRow(rows.cos, s * rows.row_stride, alone->view().table.cos, 12));
          CHECK(IsSameRow(rows.sin, s * rows.row_stride, alone->view().table.sin, 12));
        }
      });
    }
  }
}

TEST_CASE("sequences at one position get what each gets alone") {
  constexpr int64_t kBatch = 100, kDim = 8;
  simdrope::Config xpos(kDim);
  xpos.xpos.scale_base = 512;
  simdrope::Config temperature(kDim);
  temperature.temperature = {0.1, 16, 0};
  for (const simdrope::Config& config : {simdrope::Config(kDim), xpos, temperature}) {
    const auto rope = simdrope::Rope::create(config);
    REQUIRE(rope.ok());
    const auto rows = rope->cos_sin({}, 1, 64);
    REQUIRE(rows.ok());
    simdrope_cos_sin table = *rows;
    table.positions = simdrope::Positions(40);
    const simdrope_cos_sin streamed = rope->stream(simdrope::Positions(40));
    for (const simdrope_cos_sin& source : {streamed, table}) {
      std::vector<float> q(kBatch * kDim, 0.75f), k(kBatch * kDim, 0.75f);
      REQUIRE(simdrope::apply(source, simdrope::bshd(q.data(), kBatch, 1, 1, kDim),
                              simdrope::bshd(k.data(), kBatch, 1, 1, kDim))
                  .ok());
      std::vector<float> one_q(kDim, 0.75f), one_k(kDim, 0.75f);
      REQUIRE(simdrope::apply(source, simdrope::bshd(one_q.data(), 1, 1, 1, kDim),
                              simdrope::bshd(one_k.data(), 1, 1, 1, kDim))
                  .ok());
      for (int64_t b = 0; b < kBatch; ++b) {
        CHECK(std::equal(one_q.begin(), one_q.end(), q.begin() + b * kDim));
        CHECK(std::equal(one_k.begin(), one_k.end(), k.begin() + b * kDim));
      }
    }
  }
}

TEST_CASE("start, offsets and ids add up") {
  const auto rope = simdrope::Rope::create(simdrope::Config(8));
  REQUIRE(rope.ok());
  const int32_t ids[] = {5, 0, 9, -4, 2, 2};
  const int64_t offsets[] = {100, -200};
  simdrope::Positions sum = simdrope::Positions::per_token(ids, 2, 3);
  sum.start = 1000;
  sum.offsets = offsets;
  sum.offsets_count = 2;
  const int64_t flat[] = {1105, 1100, 1109, 796, 802, 802};
  const auto a = rope->cos_sin(sum, 2, 3);
  const auto b = rope->cos_sin(simdrope::Positions::per_token(flat, 2, 3), 2, 3);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(std::memcmp(a->view().table.cos, b->view().table.cos, 6 * 4 * sizeof(float)) == 0);
  CHECK(std::memcmp(a->view().table.sin, b->view().table.sin, 6 * 4 * sizeof(float)) == 0);
}

TEST_CASE("an axis beyond those given takes the last one") {
  simdrope::Config config = ThreeAxes();
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  const int64_t one[] = {3, 8}, three[] = {3, 8, 3, 8, 3, 8};
  const auto a = rope->cos_sin(simdrope::Positions::per_token(one, 2), 1, 2);
  const auto b = rope->cos_sin(simdrope::Positions::per_token(three, 3, 1, 2), 1, 2);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(std::memcmp(a->view().table.cos, b->view().table.cos, 2 * 12 * sizeof(float)) == 0);
}

TEST_CASE("ids with strides: [batch, seq, axes]") {
  const auto rope = simdrope::Rope::create(ThreeAxes());
  REQUIRE(rope.ok());
  const int64_t last[] = {1, 2, 3, 4, 5, 6};   // [seq 2, axes 3]
  const int64_t first[] = {1, 4, 2, 5, 3, 6};  // [axes 3, seq 2]
  simdrope::Positions strided = simdrope::Positions::per_token(last, 3, 1, 2);
  strided.axis_stride = 1;
  strided.seq_stride = 3;
  const auto a = rope->cos_sin(strided, 1, 2);
  const auto b = rope->cos_sin(simdrope::Positions::per_token(first, 3, 1, 2), 1, 2);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(std::memcmp(a->view().table.sin, b->view().table.sin, 2 * 12 * sizeof(float)) == 0);
}

TEST_CASE("packed sequences restart, empty ones included") {
  const auto rope = simdrope::Rope::create(simdrope::Config(8));
  REQUIRE(rope.ok());
  const int32_t cu[] = {0, 0, 3, 3, 5, 5};
  const int64_t flat[] = {0, 1, 2, 0, 1};
  const auto a = rope->cos_sin(simdrope::Positions::packed(cu, 5), 1, 5);
  const auto b = rope->cos_sin(simdrope::Positions::per_token(flat, 5), 1, 5);
  REQUIRE_MESSAGE(a.ok(), a.status().message());
  REQUIRE(b.ok());
  CHECK(std::memcmp(a->view().table.cos, b->view().table.cos, 5 * 4 * sizeof(float)) == 0);

  const int64_t offsets[] = {7, 10, 20, -5, 1};
  const int64_t moved[] = {10, 11, 12, -5, -4};
  const auto c = rope->cos_sin(simdrope::Positions::packed(cu, 5, offsets), 1, 5);
  const auto d = rope->cos_sin(simdrope::Positions::per_token(moved, 5), 1, 5);
  REQUIRE_MESSAGE(c.ok(), c.status().message());
  REQUIRE(d.ok());
  CHECK(std::memcmp(c->view().table.sin, d->view().table.sin, 5 * 4 * sizeof(float)) == 0);
}

TEST_CASE("misfits are refused by name") {
  const int32_t cu_late[] = {1, 3}, cu_falls[] = {0, 3, 2}, cu_short[] = {0, 2};
  const int64_t ids[] = {1, 2, 3, 4, 5, 6};
  const double reals[] = {0, NAN, 1};
  CheckRefused(simdrope::Positions::packed(cu_late, 1), 1, 3, "cu_seqlens[0] = 1");
  CheckRefused(simdrope::Positions::packed(cu_falls, 2), 1, 2, "cu_seqlens[2] = 2");
  CheckRefused(simdrope::Positions::packed(cu_short, 1), 1, 3, "cu_seqlens ends at 2");
  CheckRefused(simdrope::Positions::packed(cu_short, 1), 2, 1, "batch = 2");
  CheckRefused(simdrope::Positions::packed(cu_short, -1), 1, 2, "sequences = -1");
  CheckRefused(simdrope::Positions::per_sequence(ids, 3), 2, 3, "offsets_count = 3");
  CheckRefused(simdrope::Positions::packed(cu_short, 1, ids), 1, 3, "cu_seqlens ends at 2");
  CheckRefused(simdrope::Positions::per_token(ids, 3, 2), 2, 2, "ids_batch = 3");
  CheckRefused(simdrope::Positions::per_token(ids, 4), 1, 3, "ids_seq = 4");
  CheckRefused(simdrope::Positions::per_token(ids, 5, 1, 1), 1, 1, "ids_axes = 5");
  CheckRefused(simdrope::Positions::per_token(ids, 0, 1, 1), 1, 1, "ids_axes = 0");
  CheckRefused(simdrope::Positions::per_token(reals, 3), 1, 3, "ids[0, 0, 1]");

  simdrope::Positions padding;
  padding.padding = true;
  CheckRefused(padding, 1, 2, "padding");
  simdrope::Positions bad_type = simdrope::Positions::per_token(ids, 3);
  bad_type.ids_type = static_cast<simdrope_index_type>(4);
  CheckRefused(bad_type, 1, 3, "ids_type = 4");
  simdrope::Positions real_offsets = simdrope::Positions::per_sequence(ids, 1);
  real_offsets.offsets_type = SIMDROPE_INDEX_F32;
  CheckRefused(real_offsets, 1, 3, "offsets_type = 2");
}

TEST_CASE("sums that overflow are refused, the extremes themselves are not") {
  CHECK(Try(simdrope::Positions(INT64_MAX), 1, 1).ok());
  CHECK(Try(simdrope::Positions(INT64_MIN), 1, 9).ok());
  CheckRefused(simdrope::Positions(INT64_MAX), 1, 2, "overflow");
  const int64_t ids[] = {INT64_MAX, 0};
  CHECK(Try(simdrope::Positions::per_token(ids, 2), 1, 2).ok());
  simdrope::Positions moved = simdrope::Positions::per_token(ids, 2);
  moved.start = 1;
  CheckRefused(moved, 1, 2, "overflow");
  const int64_t offsets[] = {INT64_MIN};
  simdrope::Positions down = simdrope::Positions::per_sequence(offsets, 1);
  down.start = -1;
  CheckRefused(down, 1, 2, "overflow");
  CHECK(Try(simdrope::Positions::per_sequence(offsets, 1), 1, 2).ok());
}

TEST_CASE("angles beyond the reach of a precision are refused, not wrong") {
  simdrope::Config config(8);
  config.precision = SIMDROPE_PRECISION_FLOAT32;
  CHECK(Try(simdrope::Positions(int64_t{1} << 47), 1, 2, config).ok());
  CHECK(Try(simdrope::Positions(int64_t{1} << 48), 1, 2, config).code() == SIMDROPE_UNSUPPORTED);
  const double far[] = {0x1p60};
  CHECK(Try(simdrope::Positions::per_token(far, 1), 1, 1).code() == SIMDROPE_UNSUPPORTED);
  CHECK(Try(simdrope::Positions(INT64_MAX), 1, 1).ok());
}

TEST_CASE("padding by -1 on the first axis; undeclared, -1 is a position") {
  Random random(33);
  const auto rope = simdrope::Rope::create(simdrope::Config(8));
  REQUIRE(rope.ok());
  const int32_t ids[] = {0, -1, 5};
  for (const bool declared : {false, true}) {
    Tensors q = MakeTensors(Layout::kBshd, {1, 3, 2, 0, 0, 8}, simdrope::bf16);
    Job job;
    const std::vector<double> inv_freq = PlainInvFreq(1e4, 8);
    job.SetWindow(8, 0, simdrope::half);
    job.in = job.out = q.qkv;
    job.row = [&](bool, int64_t, int64_t s) {
      Row row = RowAt(inv_freq, ids[s]);
      if (declared && s == 1) row.action = Action::kSkip;
      return row;
    };
    FillInputs(job, Inputs::kTame, &random);
    simdrope::Positions positions = simdrope::Positions::per_token(ids, 3);
    positions.padding = declared;
    CHECK(CheckJob(job, BuffersOf(&q), [&] { return simdrope::apply(rope->stream(positions), q.qkv); }) == "");
  }
}
