// Bad input of every kind: its status, a message with the argument and its values, outputs untouched.
#include <cmath>
#include <functional>

#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

// A good call that each test spoils in one place.
struct Call {
  static constexpr int kPairs = 4, kRows = 16;
  static constexpr Shape kShape{2, 3, 2, 1, 1, 12};
  Tensors tensors = MakeTensors(Layout::kPadded, kShape, simdrope::bf16, 1);
  Tensors outputs = MakeTensors(Layout::kPadded, kShape, simdrope::f32, 1);
  std::vector<float> cos = std::vector<float>(kRows * kPairs, 1.0f);
  std::vector<float> sin = std::vector<float>(kRows * kPairs, 0.0f);
  simdrope::CosSinView rows{simdrope::Table(cos.data(), sin.data(), kRows, kPairs)};
  simdrope::QKV in = tensors.qkv;
  simdrope::QKV out = outputs.qkv;
  simdrope::Options options;

  Call() {
    rows.rotary_dim = 2 * kPairs;
    rows.rotary_offset = 2;
  }
};

struct Spoiled {
  const char* says;
  simdrope_status code;
  std::function<void(Call&)> spoil;
};

void Check(const Spoiled& spoiled) {
  INFO(std::string(spoiled.says));
  for (const bool in_place : {false, true}) {
    Call call;
    spoiled.spoil(call);
    const auto buffers = BuffersOf(&call.tensors, &call.outputs);
    const auto before = BytesOf(buffers);
    const simdrope_status code = simdrope_apply(&call.rows, &call.in, in_place ? nullptr : &call.out, &call.options);
    CHECK(code == spoiled.code);
    const std::string message = simdrope_last_error();
    const bool said = message.find(spoiled.says) != std::string::npos;
    CHECK_MESSAGE(said, message);
    const bool untouched = BytesOf(buffers) == before;
    CHECK(untouched);
    for (const Buffer* buffer : buffers) CHECK(buffer->GuardsIntact());
  }
}

constexpr simdrope_status kInvalid = SIMDROPE_INVALID_ARGUMENT;

}  // namespace

TEST_CASE("the call that is spoiled below is good") {
  Call call;
  CHECK(simdrope_apply(&call.rows, &call.in, &call.out, &call.options) == SIMDROPE_OK);
  CHECK(simdrope_apply(&call.rows, &call.in, nullptr, nullptr) == SIMDROPE_OK);
}

TEST_CASE("missing arguments") {
  Call call;
  CHECK(simdrope_apply(nullptr, &call.in, nullptr, nullptr) == kInvalid);
  CHECK(std::string(simdrope_last_error()).find("cos_sin") != std::string::npos);
  CHECK(simdrope_apply(&call.rows, nullptr, nullptr, nullptr) == kInvalid);
  CHECK(std::string(simdrope_last_error()).find("in is NULL") != std::string::npos);
  const simdrope::Positions positions;
  const simdrope::CosSinOutput output;
  CHECK(simdrope_compute_cos_sin(nullptr, &positions, 1, 1, &output, nullptr) == kInvalid);
  CHECK(std::string(simdrope_last_error()).find("rope") != std::string::npos);
  simdrope::Config config(8);
  CHECK(simdrope_rope_create(&config, nullptr) == kInvalid);
  CHECK(std::string(simdrope_last_error()).find("rope") != std::string::npos);
}

TEST_CASE("tables that do not serve the call") {
  const Spoiled all[] = {
      {"cos_sin.rope is NULL", kInvalid, [](Call& c) { c.rows.source = SIMDROPE_STREAMED; }},
      {"source = 3", kInvalid, [](Call& c) { c.rows.source = static_cast<simdrope_cos_sin_source>(3); }},
      {"both cos and sin", kInvalid, [](Call& c) { c.rows.table.sin = nullptr; }},
      {"rotary_dim / 2 = 4", kInvalid, [](Call& c) { c.rows.table.columns = 3; }},
      {"-1 rows", kInvalid, [](Call& c) { c.rows.table.rows = -1; }},
      {"format = 5", kInvalid, [](Call& c) { c.rows.table.format = static_cast<simdrope_format>(5); }},
      {"batches = 3, but the batch is 2", kInvalid, [](Call& c) { c.rows.table.batches = 3; }},
      {"copies = 0", kInvalid, [](Call& c) { c.rows.table.copies = 0; }},
      {"column_stride = 0", kInvalid, [](Call& c) { c.rows.table.column_stride = 0; }},
      {"overflow", kInvalid, [](Call& c) { c.rows.table.row_stride = INT64_MAX / 2; }},
      {"key_table has 15 rows", kInvalid,
       [](Call& c) {
         c.rows.key_table = c.rows.table;
         c.rows.key_table.rows = 15;
       }},
      {"magnitude = nan", kInvalid, [](Call& c) { c.rows.magnitude = NAN; }},
      {"out_of_range = 3", kInvalid, [](Call& c) { c.rows.out_of_range = static_cast<simdrope_out_of_range>(3); }},
  };
  for (const Spoiled& spoiled : all) Check(spoiled);
}

TEST_CASE("windows that do not fit the head") {
  const Spoiled all[] = {
      {"rotary_dim = 7", kInvalid, [](Call& c) { c.rows.rotary_dim = 7; }},
      {"head_dim = 12", kInvalid, [](Call& c) { c.rows.rotary_dim = 14; }},
      {"rotary_offset = 3", kInvalid, [](Call& c) { c.rows.rotary_offset = 3; }},
      {"split = 9", kInvalid, [](Call& c) { c.rows.split = 9; }},
      {"pairing = 4", kInvalid, [](Call& c) { c.rows.pairing = static_cast<simdrope_pairing>(4); }},
  };
  for (const Spoiled& spoiled : all) Check(spoiled);
}

TEST_CASE("positions without a row, by number and value; the first is named") {
  static const int64_t beyond[] = {0, 1, 2, 3, 16, 99}, below[] = {0, -1, 2, 3, 4, 5};
  const Spoiled all[] = {
      {"positions[4] (batch 1, token 1, axis 0) = 16, but the cos_sin table has 16 rows", SIMDROPE_OUT_OF_RANGE,
       [](Call& c) { c.rows.positions = simdrope::Positions::per_token(beyond, 2, 3); }},
      {"= -1, but", SIMDROPE_OUT_OF_RANGE,
       [](Call& c) { c.rows.positions = simdrope::Positions::per_token(below, 2, 3); }},
      {"= 16, but", SIMDROPE_OUT_OF_RANGE, [](Call& c) { c.rows.positions = simdrope::Positions(14); }},
      {"= -3, but", SIMDROPE_OUT_OF_RANGE, [](Call& c) { c.rows.positions = simdrope::Positions(-3); }},
      {"0 rows", SIMDROPE_OUT_OF_RANGE, [](Call& c) { c.rows.table.rows = 0; }},
  };
  for (const Spoiled& spoiled : all) Check(spoiled);
}

TEST_CASE("positions that a table cannot be looked up by") {
  static const double reals[] = {0, 1, 2};
  static const uint8_t axes[] = {0, 1, 4, 0};
  const Spoiled all[] = {
      {"real-valued", kInvalid, [](Call& c) { c.rows.positions = simdrope::Positions::per_token(reals, 3); }},
      {"pair_axis has an axis 4", kInvalid, [](Call& c) { c.rows.pair_axis = axes; }},
      {"overflow", kInvalid, [](Call& c) { c.rows.positions = simdrope::Positions(INT64_MAX); }},
  };
  for (const Spoiled& spoiled : all) Check(spoiled);
}

TEST_CASE("options that mean nothing") {
  const Spoiled all[] = {
      {"q.scale = nan", kInvalid, [](Call& c) { c.options.q.scale = NAN; }},
      {"q.scale = inf", kInvalid, [](Call& c) { c.options.q.scale = INFINITY; }},
      {"output_pairing = 3", kInvalid, [](Call& c) { c.options.output_pairing = static_cast<simdrope_pairing>(3); }},
      {"threads = -2", kInvalid, [](Call& c) { c.options.threads = -2; }},
      {"slice_index = 2", kInvalid,
       [](Call& c) {
         c.options.slice_count = 2;
         c.options.slice_index = 2;
       }},
      {"split = 6 with 4 pairs", SIMDROPE_UNSUPPORTED,
       [](Call& c) {
         c.rows.split = 6;
         c.options.output_pairing = SIMDROPE_INTERLEAVED;
       }},
  };
  for (const Spoiled& spoiled : all) Check(spoiled);
}

TEST_CASE("without a norm its other fields may hold anything") {
  for (const int hadamard : {0, 4}) {
    Call plain, other;
    plain.options.q.hadamard = other.options.q.hadamard = hadamard;
    simdrope_norm& norm = other.options.q.norm;
    norm.eps = NAN;
    norm.weight_offset = INFINITY;
    norm.weight = norm.bias = other.cos.data();
    norm.weight_format = SIMDROPE_I8;
    norm.weight_head_stride = 1;
    for (Call* call : {&plain, &other}) {
      REQUIRE(simdrope_apply(&call->rows, &call->in, &call->out, &call->options) == SIMDROPE_OK);
    }
    const bool same = BytesOf(BuffersOf(&plain.outputs)) == BytesOf(BuffersOf(&other.outputs));
    CHECK(same);
  }
}

TEST_CASE("a rope for other heads") {
  const auto rope = simdrope::Rope::create(simdrope::Config(64));
  REQUIRE(rope.ok());
  Check({"head_dim = 64, the tensors 12", kInvalid, [&](Call& c) { c.rows = rope->stream(); }});
}

TEST_CASE("a call that fails in V has not touched Q") {
  Check({"in.v", kInvalid, [](Call& c) { c.in.v.seq = 4; }});
  Check({"in.v.data is NULL", kInvalid, [](Call& c) { c.in.v.data = nullptr; }});
}

TEST_CASE("the runs of a plan of one token are checked as any others") {
  constexpr int kHeads = 2, kDim = 8, kRows = 4;
  struct BadRun {
    simdrope_status code;
    bool streamed_too;
    std::function<void(simdrope_run&)> spoil;
  };
  static const int64_t ids[] = {1};
  static const int32_t cu_seqlens[] = {0, 1};
  static const float factors[kRows * kDim / 2] = {};
  static const uint8_t padding[kRows] = {};
  const BadRun all[] = {
      {kInvalid, true, [](simdrope_run& run) { run.q.in = nullptr; }},
      {kInvalid, true, [](simdrope_run& run) { run.k.in = nullptr; }},
      {kInvalid, true, [](simdrope_run& run) { run.q.out = nullptr; }},
      {kInvalid, true, [](simdrope_run& run) { run.k.out = nullptr; }},
      {kInvalid, true, [](simdrope_run& run) { run.q.out = const_cast<void*>(run.q.in); }},
      {kInvalid, true, [](simdrope_run& run) { run.ids = ids; }},
      {kInvalid, true, [](simdrope_run& run) { run.offsets = ids; }},
      {kInvalid, true, [](simdrope_run& run) { run.cu_seqlens = cu_seqlens; }},
      {kInvalid, true, [](simdrope_run& run) { run.slice_count = -1; }},
      {kInvalid, true, [](simdrope_run& run) { run.slice_index = run.slice_count = 2; }},
      {kInvalid, false, [](simdrope_run& run) { run.cos = nullptr; }},
      {kInvalid, false, [](simdrope_run& run) { run.sin = nullptr; }},
      {kInvalid, false, [](simdrope_run& run) { run.key_cos = run.key_sin = factors; }},
      {kInvalid, false, [](simdrope_run& run) { run.query_scale = factors; }},
      {kInvalid, false, [](simdrope_run& run) { run.padding = padding; }},
      {SIMDROPE_OUT_OF_RANGE, false, [](simdrope_run& run) { run.start = kRows; }},
      {SIMDROPE_OUT_OF_RANGE, false, [](simdrope_run& run) { run.start = -1; }},
  };
  const auto rope = simdrope::Rope::create(simdrope::Config(kDim));
  REQUIRE(rope.ok());
  const std::vector<float> cos(kRows * kDim / 2, 0.5f), sin(kRows * kDim / 2, 0.25f);
  const simdrope::CosSinView table{simdrope::Table(cos.data(), sin.data(), kRows, kDim / 2)};
  const simdrope_cos_sin streamed = rope->stream(1);
  std::vector<float> memory(4 * kHeads * kDim, 1.0f);
  const auto tensor = [&](int i) { return simdrope::bshd(memory.data() + i * kHeads * kDim, 1, 1, kHeads, kDim); };
  for (const bool is_streamed : {true, false}) {
    const auto plan =
        simdrope::Plan::create(is_streamed ? streamed : table, {tensor(0), tensor(1)}, {tensor(2), tensor(3)});
    REQUIRE(plan.ok());
    for (const BadRun& bad : all) {
      if (is_streamed && !bad.streamed_too) continue;
      CAPTURE(is_streamed);
      CAPTURE(&bad - all);
      simdrope_run run = plan->pointers();
      bad.spoil(run);
      const auto before = memory;
      CHECK(plan->run(run).code() == bad.code);
      CHECK(memory == before);
    }
  }
  // The last operand of a run is as much looked at as the first.
  const auto alone = simdrope::Plan::create(table, tensor(0), tensor(2)),
             in_place = simdrope::Plan::create(table, tensor(0));
  REQUIRE((alone.ok() && in_place.ok()));
  for (const auto* plan : {&alone, &in_place}) {
    simdrope_run run = (*plan)->pointers();
    run.q.out = nullptr;
    CHECK((*plan)->run(run).code() == kInvalid);
    run.q.out = plan == &alone ? memory.data() : memory.data() + 3 * kHeads * kDim;
    CHECK((*plan)->run(run).code() == kInvalid);
  }
  CHECK(memory == std::vector<float>(memory.size(), 1.0f));
}

TEST_CASE("no tokens, no table needed to have rows; a scale for rows that are not there is not read") {
  Call call;
  for (simdrope_tensor* t : {&call.in.q, &call.in.k, &call.in.v}) t->seq = 0;
  call.rows.table.rows = 0;
  CHECK(simdrope_apply(&call.rows, &call.in, nullptr, nullptr) == SIMDROPE_OK);

  Call scaled;
  std::vector<float> scale(Call::kRows, 2.0f);
  const int64_t ids[] = {-4000000, 1, INT64_MAX};
  scaled.rows.query_scale = scale.data();
  scaled.rows.positions = simdrope::Positions::per_token(ids, 3);
  scaled.rows.out_of_range = SIMDROPE_IDENTITY;
  CHECK(simdrope_apply(&scaled.rows, &scaled.in, &scaled.out, nullptr) == SIMDROPE_OK);
  CHECK(ValueOf(scaled.out.q, 0, 1, 0, 0) == 2 * ValueOf(scaled.in.q, 0, 1, 0, 0));
}

namespace {

// compute_cos_sin into one table of 3 rows for 2 sequences of 3 tokens.
struct Filling {
  simdrope::Config config{8};
  simdrope::Positions positions;
  std::vector<float> memory = std::vector<float>(200, 5.0f);
  simdrope::CosSinOutput rows;
  int64_t batch = 2;
  int64_t seq = 3;

  Filling() { rows.table = simdrope::Table(memory.data(), memory.data() + 100, 3, 4); }
};

struct BadFilling {
  const char* says;
  std::function<void(Filling&)> spoil;
};

}  // namespace

TEST_CASE("computing into tables that do not fit") {
  static const int64_t offsets[] = {1, 2}, ids[] = {1, -1, 2};
  const BadFilling all[] = {
      {"has 2 rows, but there are 3 tokens", [](Filling& f) { f.rows.table.rows = 2; }},
      {"batches = 1, but positions differ",
       [](Filling& f) { f.positions = simdrope::Positions::per_sequence(offsets, 2); }},
      {"row_stride = 3", [](Filling& f) { f.rows.table.row_stride = 3; }},
      {"both cos and sin", [](Filling& f) { f.rows.table = simdrope::Table(); }},
      {"output.key_table", [](Filling& f) { f.config.xpos.scale_base = 512; }},
      {"query_scale is NULL",
       [](Filling& f) {
         f.config.temperature = {0.1, 10, 0};
       }},
      {"padding is NULL",
       [](Filling& f) {
         f.positions = simdrope::Positions::per_token(ids, 3);
         f.positions.padding = true;
       }},
      {"batch = -1", [](Filling& f) { f.batch = -1; }},
      {"seq = -3", [](Filling& f) { f.seq = -3; }},
      {"batch = 9223372036854775807", [](Filling& f) { f.batch = f.seq = INT64_MAX; }},
  };
  for (const BadFilling& bad : all) {
    INFO(std::string(bad.says));
    Filling filling;
    bad.spoil(filling);
    const auto rope = simdrope::Rope::create(filling.config);
    REQUIRE(rope.ok());
    const std::vector<float> before = filling.memory;
    CHECK(simdrope_compute_cos_sin(rope->get(), &filling.positions, filling.batch, filling.seq, &filling.rows,
                                   nullptr) == kInvalid);
    const std::string message = simdrope_last_error();
    const bool said = message.find(bad.says) != std::string::npos;
    CHECK_MESSAGE(said, message);
    CHECK(filling.memory == before);
  }
}
