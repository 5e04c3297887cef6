// simdrope rotate: norms, Hadamard, formats and caches with slots.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/names.h"
#include "tool.h"

namespace simdrope::test {
namespace {

constexpr int64_t kTokens = 6, kHeads = 4, kKvHeads = 2, kHeadDim = 64;

struct Inputs {
  Folder folder;
  std::vector<float> q = Noise(kTokens * kHeads * kHeadDim, 31), k = Noise(kTokens * kKvHeads * kHeadDim, 32),
                     v = Noise(kTokens * kKvHeads * kHeadDim, 33);

  Inputs() {
    WriteFloats(folder / "q.npy", {1, kTokens, kHeads, kHeadDim}, q);
    WriteFloats(folder / "k.npy", {1, kTokens, kKvHeads, kHeadDim}, k);
    WriteFloats(folder / "v.npy", {1, kTokens, kKvHeads, kHeadDim}, v);
    WriteFloats(folder / "q_weight.npy", {kHeadDim}, Noise(kHeadDim, 34));
    WriteFloats(folder / "k_weight.npy", {kKvHeads, kHeadDim}, Noise(kKvHeads * kHeadDim, 35));
    WriteFloats(folder / "bias.npy", {kHeadDim}, Noise(kHeadDim, 36));
    WriteIds(folder / "slots.npy", {kTokens}, {9, 2, -1, 11, 0, 3});
  }
  // --q, --k, --v and --check, with more.
  Outcome Rotate(const Arguments& more, const std::string& out) const {
    Arguments all = {"rotate", "--q", folder / "q.npy", "--k",    folder / "k.npy", "--v", folder / "v.npy",
                     "--out",  out,   "--check",        "--json", "--positions",    "100"};
    all.insert(all.end(), more.begin(), more.end());
    return Run(all);
  }
  Json Right(const Arguments& more) const { return Right(more, folder / "out"); }
  Json Right(const Arguments& more, const std::string& out) const {
    const Outcome outcome = Rotate(more, out);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.out, outcome.err);
    const Json json = outcome.json();
    CHECK(json["check"]["ok"] == true);
    CHECK(json["check"]["elements"].get<int64_t>() > 0);
    return json;
  }
  io::Array Output(const std::string& name) const { return ReadNpy(folder / "out/" + name + ".npy"); }
};

TEST_CASE("norms of every kind, checked through every stage") {
  const Inputs in;
  int cases = 0;
  for (const std::string norm : {"rms", "rms:W", "rms1p:W", "l2", "l2:W", "layer", "layer:W"}) {
    CAPTURE(norm);
    std::string text = norm;
    if (text.back() == 'W') text.replace(text.size() - 1, 1, in.folder / "q_weight.npy");
    const Arguments base = {"--q-norm", text, "--k-norm", "rms:" + (in.folder / "k_weight.npy"), "--eps", "1e-5"};
    for (const Arguments& more :
         {Arguments{}, Arguments{"--norm-after"}, Arguments{"--norm-over-heads"}, Arguments{"--norm-round"}}) {
      Arguments all = base;
      all.insert(all.end(), more.begin(), more.end());
      in.Right(all);
      ++cases;
    }
  }
  CHECK(cases == 28);
  in.Right({"--q-norm", "layer:" + (in.folder / "q_weight.npy"), "--q-bias", in.folder / "bias.npy"});
  in.Right({"--k-norm", "layer:" + (in.folder / "q_weight.npy"), "--k-bias", in.folder / "bias.npy"});
  in.Right({"--hadamard", "64", "--q-scale", "0.125"});
  in.Right({"--input-hadamard", "32", "--hadamard", "16"});
}

TEST_CASE("an RMS norm and a rotation by the definition") {
  const Inputs in;
  in.Right({"--q-norm", "rms", "--eps", "0"});
  const io::Array out = in.Output("q");
  double before = 0, after = 0;
  for (int64_t d = 0; d < kHeadDim; ++d) {
    before += static_cast<double>(in.q[static_cast<size_t>(d)]) * static_cast<double>(in.q[static_cast<size_t>(d)]);
    after += static_cast<double>(out.data<float>()[d]) * static_cast<double>(out.data<float>()[d]);
  }
  CHECK(before != doctest::Approx(64));
  CHECK(after == doctest::Approx(64));  // the mean square is 1, and a rotation keeps it
}

TEST_CASE("K and V in every format, in a cache, by slot") {
  const Inputs in;
  const struct {
    const char* name;
    io::ElementType type;
    int64_t last_axis;
    bool scales;
  } formats[] = {
      {"f32", io::ElementType::f32, kHeadDim, false},
      {"f16", io::ElementType::f16, kHeadDim, false},
      {"bf16", io::ElementType::u16, kHeadDim, false},
      {"f8_e4m3", io::ElementType::u8, kHeadDim, false},
      {"f8_e5m2", io::ElementType::u8, kHeadDim, false},
      {"i8", io::ElementType::i8, kHeadDim, true},
      {"u8", io::ElementType::u8, kHeadDim, true},
      {"q8_0", io::ElementType::u8, kHeadDim / 32 * 34, false},
      {"q4_0", io::ElementType::u8, kHeadDim / 32 * 18, false},
  };
  static_assert(static_cast<int32_t>(std::size(formats)) == simdrope::impl::NamedValues<simdrope_format>());
  int cases = 0;
  for (const auto& format : formats) {
    CAPTURE(format.name);
    for (const char* layout : {"bshd", "bhsd"}) {
      const Folder fresh;
      const Json json = in.Right(
          {"--out-format", format.name, "--cache", "3x4", "--cache-layout", layout, "--slots", in.folder / "slots.npy"},
          fresh / "out");
      const io::Array k = ReadNpy(fresh / "out/k.npy");
      CHECK(k.type == format.type);
      const bool heads_first = std::string(layout) == "bhsd";
      CHECK(k.shape == (heads_first ? std::vector<int64_t>{3, kKvHeads, 4, format.last_axis}
                                    : std::vector<int64_t>{3, 4, kKvHeads, format.last_axis}));
      CHECK(std::filesystem::exists(fresh / "out/k_scale.npy") == format.scales);
      CHECK(std::filesystem::exists(fresh / "out/v_scale.npy") == format.scales);
      CHECK(std::filesystem::exists(fresh / "out/v_zero_point.npy") == (std::string(format.name) == "u8"));
      // Slot 1 (entry 0, row 1) is not named: its bytes stay 0. Slot 2 is.
      const size_t head = k.bytes.size() / (3 * 4 * kKvHeads);
      const size_t row = heads_first ? head : head * kKvHeads;
      const auto is_zero = [&](size_t at) {
        for (size_t i = 0; i < head; ++i) {
          if (k.bytes[at + i] != std::byte{0}) return false;
        }
        return true;
      };
      CHECK(is_zero(row));
      CHECK(!is_zero(2 * row));
      CHECK(json["k"]["out_dtype"] == format.name);
      ++cases;
    }
  }
  CHECK(cases == 18);
  in.Right({"--out-format", "f8_e4m3", "--cache-scale", "0.01"});
  in.Right({"--out-format", "i8", "--cache-scale", "0.02"});
  // A cache's rows are those of the same tokens without one.
  in.Right({"--out-format", "f16"});
  const io::Array dense = in.Output("k");
  in.Right({"--out-format", "f16", "--cache", "12", "--slots", in.folder / "slots.npy"});
  const io::Array cached = in.Output("k");
  const size_t row = kKvHeads * kHeadDim * 2;
  CHECK(std::memcmp(cached.bytes.data() + 9 * row, dense.bytes.data(), row) == 0);
  CHECK(std::memcmp(cached.bytes.data() + 3 * row, dense.bytes.data() + 5 * row, row) == 0);
}

TEST_CASE("stories260k: real Q and K through the chain into every format") {
  const char* chosen = std::getenv("SIMDROPE_VECTORS");
  const std::string vectors = std::string(chosen == nullptr ? SIMDROPE_DEFAULT_VECTORS : chosen) + "/stories260k";
  if (!std::filesystem::exists(vectors)) {
    MESSAGE("no vectors at ", vectors, " (SIMDROPE_VECTORS): not run");
    return;
  }
  int cases = 0;
  for (const std::string layer : {"0", "1", "2"}) {
    const std::string q = vectors + "/layer" + layer + "_q", k = vectors + "/layer" + layer + "_k";
    const Json about = Json::parse(ReadText(q + "/case.json"));
    const int64_t head_dim = ReadNpy(k + "/input.npy").shape.back(), tokens = ReadNpy(k + "/input.npy").shape[1];
    const Folder folder;
    std::vector<int64_t> slots(static_cast<size_t>(tokens));
    for (int64_t t = 0; t < tokens; ++t) slots[static_cast<size_t>(t)] = (t * 7) % (2 * tokens + 1);
    WriteIds(folder / "slots.npy", {tokens}, slots);
    for (int32_t number = 0; number < simdrope::impl::NamedValues<simdrope_format>(); ++number) {
      const std::string format = simdrope::impl::NameOf(static_cast<simdrope_format>(number));
      if (format[0] == 'q' && head_dim % 32 != 0) continue;  // blocks of 32
      CAPTURE(format);
      const std::string rows = std::to_string(2 * tokens + 1);
      const Outcome outcome = Run({"rotate",
                                   "--q",
                                   q + "/input.npy",
                                   "--k",
                                   k + "/input.npy",
                                   "--pairing",
                                   about["interleaved"].get<bool>() ? "interleaved" : "half",
                                   "--theta",
                                   about["rope"]["theta"].dump(),
                                   "--positions",
                                   q + "/position_ids.npy",
                                   "--q-norm",
                                   "rms",
                                   "--k-norm",
                                   "rms",
                                   "--out-format",
                                   format,
                                   "--cache",
                                   rows,
                                   "--slots",
                                   folder / "slots.npy",
                                   "--check",
                                   "--out",
                                   folder / "out"});
      CHECK_MESSAGE(outcome.code == 0, outcome.out, outcome.err);
      ++cases;
    }
  }
  CHECK(cases >= 3 * 7);
}

TEST_CASE("V alone, and all in one safetensors file") {
  const Inputs in;
  const Outcome outcome = Run(
      {"rotate", "--v", in.folder / "v.npy", "--out-format", "u8", "--check", "--out", in.folder / "out.safetensors"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.out, outcome.err);
  auto file = io::Safetensors::open(in.folder / "out.safetensors");
  REQUIRE(file.ok());
  for (const char* name : {"v", "v_scale", "v_zero_point"}) CHECK(file->find(name) != nullptr);
  CHECK(file->find("q") == nullptr);
}

TEST_CASE("bad chains are refused in one line") {
  const Inputs in;
  const std::string none = in.folder / "none", slots = in.folder / "slots.npy";
  const auto fails = [&](const Arguments& more, const std::vector<std::string>& words) {
    Arguments all = {"rotate", "--q", in.folder / "q.npy", "--k", in.folder / "k.npy", "--out", none};
    all.insert(all.end(), more.begin(), more.end());
    CheckFails(Run(all), words);
  };
  WriteIds(in.folder / "few.npy", {2}, {0, 1});
  WriteIds(in.folder / "far.npy", {kTokens}, {0, 1, 2, 3, 4, 12});
  WriteIds(in.folder / "twice.npy", {kTokens}, {0, 1, 2, 3, 4, 4});
  WriteFloats(in.folder / "short.npy", {7}, Noise(7, 1));
  fails({"--q-norm", "rmsnorm"}, {"--q-norm", "rmsnorm", "rms1p"});
  fails({"--q-norm", "rms1p"}, {"--q-norm", "weights"});
  fails({"--q-norm", "rms:" + (in.folder / "short.npy")}, {"--q-norm", "7", "64"});
  fails({"--k-norm", "rms:" + (in.folder / "nowhere.npy")}, {"nowhere.npy"});
  fails({"--q-norm", "rms", "--q-bias", in.folder / "bias.npy"}, {"--q-bias", "layer"});
  fails({"--q-bias", in.folder / "bias.npy"}, {"--q-bias", "--q-norm"});
  fails({"--q-norm", "rms", "--eps", "-1"}, {"eps"});
  fails({"--hadamard", "24"}, {"hadamard", "24"});
  fails({"--out-format", "q5_0"}, {"q5_0", "q8_0"});
  fails({"--slots", slots}, {"--slots", "--cache"});
  fails({"--cache", "12"}, {"--cache", "--slots"});
  fails({"--cache", "twelve", "--slots", slots}, {"twelve", "ROWS"});
  fails({"--cache", "12", "--slots", in.folder / "few.npy"}, {"few.npy", "6 tokens"});
  fails({"--cache", "12", "--slots", in.folder / "q.npy"}, {"q.npy", "f32"});
  fails({"--cache", "12", "--slots", in.folder / "far.npy"}, {"12"});
  fails({"--cache", "12", "--slots", in.folder / "twice.npy"}, {"4"});
  fails({"--cache-scale", "1", "--out-format", "q8_0"}, {"--cache-scale"});
  CheckFails(Run({"rotate", "--q", in.folder / "q.npy", "--out-format", "q8_0", "--out", none}), {"--out-format"});
  CheckFails(Run({"rotate", "--v", in.folder / "v.npy", "--k-norm", "rms", "--out", none}), {"--k-norm", "--k"});
  CHECK(!std::filesystem::exists(none));
}

}  // namespace
}  // namespace simdrope::test
