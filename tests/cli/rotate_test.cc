// simdrope rotate: what it computes.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "tool.h"

namespace simdrope::test {
namespace {

const float* Floats(const io::Array& array) {
  REQUIRE(array.type == io::ElementType::f32);
  return array.data<float>();
}

// Half pairs, theta 100, by the definition.
float Rotated(const std::vector<float>& head, size_t begin, int head_dim, int element, double position) {
  const int pairs = head_dim / 2, pair = element % pairs;
  const double angle = position * std::pow(100.0, -2.0 * pair / head_dim);
  const double x = head[begin + static_cast<size_t>(pair)], y = head[begin + static_cast<size_t>(pair + pairs)];
  return static_cast<float>(element < pairs ? x * std::cos(angle) - y * std::sin(angle)
                                            : y * std::cos(angle) + x * std::sin(angle));
}

TEST_CASE("rotate Q and K by a start offset") {
  const Folder folder;
  const std::vector<float> q = Noise(2 * 3 * 4 * 8, 1), k = Noise(2 * 3 * 1 * 8, 2);
  WriteFloats(folder / "q.npy", {2, 3, 4, 8}, q);
  WriteFloats(folder / "k.npy", {2, 3, 1, 8}, k);
  const Outcome outcome = Run({"rotate", "--q", folder / "q.npy", "--k", folder / "k.npy", "--theta", "100",
                               "--positions", "9", "--check", "--out", folder / "out", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json json = outcome.json();
  CHECK(json["batch"] == 2);
  CHECK(json["seq"] == 3);
  CHECK(json["q"]["heads"] == 4);
  CHECK(json["k"]["heads"] == 1);
  CHECK(json["rotary_dim"] == 8);
  CHECK(json["pairing"] == "half");
  CHECK(json["seconds"].get<double>() > 0);
  CHECK(json.contains("target"));
  CHECK(json.contains("threads"));
  CHECK(json.contains("gb_per_s"));
  CHECK(json["check"]["ok"] == true);
  CHECK(json["check"]["elements"] == q.size() + k.size());
  CHECK(json["files"].size() == 2);

  const io::Array q_out = ReadNpy(folder / "out/q.npy"), k_out = ReadNpy(folder / "out/k.npy");
  CHECK(q_out.shape == std::vector<int64_t>{2, 3, 4, 8});
  CHECK(k_out.shape == std::vector<int64_t>{2, 3, 1, 8});
  for (size_t i = 0; i < q.size(); ++i) {
    const size_t token = i / 32 % 3;
    CHECK(std::fabs(Floats(q_out)[i] - Rotated(q, i / 8 * 8, 8, i % 8, 9.0 + token)) < 1e-6f);
  }
  for (size_t i = 0; i < k.size(); ++i) {
    const size_t token = i / 8 % 3;
    CHECK(std::fabs(Floats(k_out)[i] - Rotated(k, i / 8 * 8, 8, i % 8, 9.0 + token)) < 1e-6f);
  }
}

TEST_CASE("inverse undoes it; ids, layouts and ranks agree") {
  const Folder folder;
  const std::vector<float> q = Noise(1 * 5 * 2 * 6, 3);
  WriteFloats(folder / "q.npy", {1, 5, 2, 6}, q);
  WriteFloats(folder / "thd.npy", {5, 2, 6}, q);
  WriteFloats(folder / "flat.npy", {1, 5, 12}, q);
  WriteIds(folder / "ids.npy", {5}, {100, 101, 102, 103, 104});
  const std::string out = folder / "out";
  const auto rotate = [&](const Arguments& more) {
    Arguments all = {"rotate", "--check", "--out", out};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = Run(all);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return ReadNpy(out + "/q.npy");
  };
  const io::Array start = rotate({"--q", folder / "q.npy", "--positions", "100"});
  CHECK(start.bytes == rotate({"--q", folder / "q.npy", "--positions", folder / "ids.npy"}).bytes);
  CHECK(start.bytes == rotate({"--q", folder / "q.npy", "--positions", "100:105"}).bytes);
  CHECK(start.bytes == rotate({"--q", folder / "thd.npy", "--layout", "thd", "--positions", "100"}).bytes);
  CHECK(start.bytes == rotate({"--q", folder / "flat.npy", "--heads", "2", "--positions", "100"}).bytes);
  CHECK(start.bytes == rotate({"--q", folder / "q.npy", "--positions", "100", "--threads", "1"}).bytes);
  REQUIRE(io::write_npy(folder / "rotated.npy", start).ok());
  const io::Array back = rotate({"--q", folder / "rotated.npy", "--positions", "100", "--inverse"});
  for (size_t i = 0; i < q.size(); ++i) CHECK(std::fabs(Floats(back)[i] - q[i]) < 1e-6f);

  std::vector<float> swapped(q.size());
  for (size_t s = 0; s < 5; ++s) {
    for (size_t h = 0; h < 2; ++h) {
      for (size_t e = 0; e < 6; ++e) swapped[(h * 5 + s) * 6 + e] = q[(s * 2 + h) * 6 + e];
    }
  }
  WriteFloats(folder / "bhsd.npy", {1, 2, 5, 6}, swapped);
  const io::Array other = rotate({"--q", folder / "bhsd.npy", "--layout", "bhsd", "--positions", "100"});
  for (size_t s = 0; s < 5; ++s) {
    for (size_t h = 0; h < 2; ++h) {
      for (size_t e = 0; e < 6; ++e) CHECK(Floats(other)[(h * 5 + s) * 6 + e] == Floats(start)[(s * 2 + h) * 6 + e]);
    }
  }
}

TEST_CASE("a window of the head, padding, packed sequences, another pairing out") {
  const Folder folder;
  const std::vector<float> q = Noise(4 * 1 * 8, 4);
  WriteFloats(folder / "q.npy", {1, 4, 1, 8}, q);
  const std::string out = folder / "out";
  REQUIRE(Run({"rotate", "--q", folder / "q.npy", "--rotary-dim", "4", "--rotary-offset", "2", "--positions", "5",
               "--check", "--out", out})
              .code == 0);
  const io::Array window = ReadNpy(out + "/q.npy");
  int changed = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    if (i % 8 < 2 || i % 8 >= 6)
      CHECK(Floats(window)[i] == q[i]);
    else
      changed += Floats(window)[i] != q[i];
  }
  CHECK(changed == 16);

  WriteIds(folder / "ids.npy", {4}, {7, -1, 8, -1});
  REQUIRE(
      Run({"rotate", "--q", folder / "q.npy", "--positions", folder / "ids.npy", "--padding", "--check", "--out", out})
          .code == 0);
  const io::Array padded = ReadNpy(out + "/q.npy");
  for (size_t e = 0; e < 8; ++e) {
    CHECK(Floats(padded)[8 + e] == q[8 + e]);
    CHECK(Floats(padded)[24 + e] == q[24 + e]);
  }
  CHECK(Floats(padded)[0] != q[0]);

  WriteFloats(folder / "thd.npy", {4, 1, 8}, q);
  WriteIds(folder / "cu.npy", {4}, {0, 1, 1, 4});
  REQUIRE(Run({"rotate", "--q", folder / "thd.npy", "--layout", "thd", "--cu-seqlens", folder / "cu.npy", "--check",
               "--out", out})
              .code == 0);
  const io::Array packed = ReadNpy(out + "/q.npy");
  for (size_t e = 0; e < 16; ++e) CHECK(Floats(packed)[e] == q[e]);  // both tokens stand at position 0
  CHECK(Floats(packed)[16] != q[16]);

  REQUIRE(Run({"rotate", "--q", folder / "q.npy", "--positions", "5", "--out", out}).code == 0);
  const io::Array plain = ReadNpy(out + "/q.npy");
  REQUIRE(Run({"rotate", "--q", folder / "q.npy", "--positions", "5", "--out-pairing", "interleaved", "--check",
               "--out", out})
              .code == 0);
  const io::Array paired = ReadNpy(out + "/q.npy");
  for (size_t t = 0; t < 4; ++t) {
    for (size_t i = 0; i < 4; ++i) {
      CHECK(Floats(paired)[t * 8 + 2 * i] == Floats(plain)[t * 8 + i]);
      CHECK(Floats(paired)[t * 8 + 2 * i + 1] == Floats(plain)[t * 8 + 4 + i]);
    }
  }
}

TEST_CASE("safetensors and 16-bit types, in and out") {
  const Folder folder;
  io::Array q = io::Array::zeros(io::ElementType::bf16, {1, 2, 2, 4});
  for (int i = 0; i < 16; ++i) q.data<uint16_t>()[i] = static_cast<uint16_t>(0x3f80 + 5 * i);
  REQUIRE(
      io::write_safetensors(folder / "in.safetensors", {{"other", q.type, q.shape, q.bytes.data(), q.bytes.size()},
                                                        {"layer.q", q.type, q.shape, q.bytes.data(), q.bytes.size()}})
          .ok());
  REQUIRE(io::write_npy(folder / "q.npy", q).ok());
  const std::string named = (folder / "in.safetensors") + ":layer.q";

  REQUIRE(Run({"rotate", "--q", named, "--positions", "3", "--check", "--out", folder / "out"}).code == 0);
  const io::Array from_safetensors = ReadNpy(folder / "out/q.npy");
  CHECK(from_safetensors.type == io::ElementType::u16);
  REQUIRE(Run({"rotate", "--q", folder / "q.npy", "--dtype", "bf16", "--positions", "3", "--check", "--out",
               folder / "out2"})
              .code == 0);
  CHECK(ReadNpy(folder / "out2/q.npy").bytes == from_safetensors.bytes);
  CHECK(from_safetensors.bytes != q.bytes);

  REQUIRE(Run({"rotate", "--q", named, "--positions", "3", "--check", "--out", folder / "out.safetensors"}).code == 0);
  auto written = io::Safetensors::open(folder / "out.safetensors");
  REQUIRE(written.ok());
  REQUIRE(written->find("q") != nullptr);
  CHECK(written->find("q")->type == io::ElementType::bf16);

  for (const char* format : {"f32", "f16", "bf16"}) {
    const Outcome outcome = Run({"rotate", "--q", named, "--positions", "3", "--out-dtype", format, "--check", "--out",
                                 folder / "out3", "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(outcome.json()["q"]["out_dtype"] == format);
    CHECK(outcome.json()["check"]["worst_ulp"].get<double>() > 0);
  }
  CheckFails(Run({"rotate", "--q", folder / "q.npy", "--out", folder / "out"}), {"u16", "--dtype bf16"});
  CheckFails(Run({"rotate", "--q", folder / "in.safetensors", "--out", folder / "out"}), {"in.safetensors", ":NAME"});
  CheckFails(Run({"rotate", "--q", (folder / "in.safetensors") + ":nope", "--out", folder / "out"}), {"nope"});
}

TEST_CASE("a table of the caller's is looked up by position") {
  const Folder folder;
  const std::vector<float> q = Noise(3 * 2 * 8, 5);
  WriteFloats(folder / "q.npy", {1, 3, 2, 8}, q);
  WriteIds(folder / "ids.npy", {1, 3}, {2, 0, 5});
  REQUIRE(Run({"rotate", "--q", folder / "q.npy", "--positions", folder / "ids.npy", "--out", folder / "want"}).code ==
          0);
  const io::Array want = ReadNpy(folder / "want/q.npy");
  int forms = 0;
  for (const char* form : {"half", "doubled-halves", "doubled-elements", "cos-sin", "sin-cos", "complex"}) {
    CAPTURE(form);
    const std::string table = folder / form;
    REQUIRE(Run({"cossin", "--head-dim", "8", "--positions", "0:6", "--form", form, "--out", table}).code == 0);
    const bool joined = std::filesystem::exists(table + "/cos_sin.npy");
    Arguments arguments = {"rotate", "--q", folder / "q.npy", "--positions", folder / "ids.npy",
                           "--form", form,  "--check",        "--out",       folder / "got"};
    const Arguments files = joined ? Arguments{"--cos-sin", table + "/cos_sin.npy"}
                                   : Arguments{"--cos", table + "/cos.npy", "--sin", table + "/sin.npy"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const Outcome outcome = Run(arguments);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(ReadNpy(folder / "got/q.npy").bytes == want.bytes);
    ++forms;
  }
  CHECK(forms == 6);

  WriteIds(folder / "far.npy", {1, 3}, {2, 6, 5});
  CheckFails(Run({"rotate", "--q", folder / "q.npy", "--positions", folder / "far.npy", "--cos",
                  folder / "half/cos.npy", "--sin", folder / "half/sin.npy", "--out", folder / "none"}),
             {"positions[1]", "6", "6 rows"});
  CHECK(!std::filesystem::exists(folder / "none"));
  CheckFails(Run({"rotate", "--q", folder / "q.npy", "--cos", folder / "half/cos.npy", "--out", folder / "none"}),
             {"--sin"});
}

TEST_CASE("check and expectations fail with exit code 1") {
  const Folder folder;
  const std::vector<float> q = Noise(2 * 8, 6);
  WriteFloats(folder / "q.npy", {1, 2, 1, 8}, q);
  const Arguments base = {"rotate", "--q", folder / "q.npy", "--positions", "1", "--out", folder / "out", "--expect-q"};
  const auto with = [&](const Arguments& more) {
    Arguments all = base;
    all.insert(all.end(), more.begin(), more.end());
    return Run(all);
  };
  const Outcome wrong = with({folder / "q.npy", "--json"});
  CHECK(wrong.code == 1);
  CHECK(wrong.json()["expected"][0]["ok"] == false);
  CHECK(with({folder / "q.npy", "--atol", "4"}).code == 0);
  std::filesystem::rename(folder / "out/q.npy", folder / "expected.npy");
  CHECK(with({folder / "expected.npy"}).code == 0);
}

TEST_CASE("rotate refuses bad input in one line") {
  const Folder folder;
  WriteFloats(folder / "q.npy", {1, 2, 2, 8}, Noise(32, 7));
  WriteFloats(folder / "odd.npy", {1, 2, 2, 7}, Noise(28, 7));
  WriteFloats(folder / "flat.npy", {1, 2, 16}, Noise(32, 7));
  WriteFloats(folder / "long.npy", {1, 3, 2, 8}, Noise(48, 7));
  WriteIds(folder / "ids.npy", {3}, {0, 1, 2});
  WriteIds(folder / "ids4.npy", {1, 1, 1, 2}, {0, 1});
  WriteText(folder / "text.npy", "hello");
  WriteText(folder / "config.json", kLlama31);
  const std::string q = folder / "q.npy", out = folder / "out";
  CheckFails(Run({"rotate", "--out", out}), {"--q"});
  CheckFails(Run({"rotate", "--q", folder / "none.npy", "--out", out}), {"none.npy"});
  CheckFails(Run({"rotate", "--q", folder / "text.npy", "--out", out}), {"text.npy"});
  CheckFails(Run({"rotate", "--q", folder / "odd.npy", "--out", out}), {"7"});
  CheckFails(Run({"rotate", "--q", folder / "flat.npy", "--out", out}), {"flat.npy", "--heads"});
  CheckFails(Run({"rotate", "--q", folder / "flat.npy", "--heads", "3", "--out", out}), {"16", "3 heads"});
  CheckFails(Run({"rotate", "--q", q, "--layout", "sbhd", "--out", out}), {"sbhd", "bshd"});
  CheckFails(Run({"rotate", "--q", q, "--layout", "thd", "--out", out}), {"[1, 2, 2, 8]", "thd"});
  CheckFails(Run({"rotate", "--q", q, "--k", folder / "long.npy", "--out", out}), {"2 tokens", "3"});
  CheckFails(Run({"rotate", "--q", q, "--positions", folder / "ids.npy", "--out", out}), {"3 positions", "2 tokens"});
  CheckFails(Run({"rotate", "--q", q, "--positions", folder / "ids4.npy", "--out", out}), {"rank 4"});
  CheckFails(Run({"rotate", "--q", folder / "ids.npy", "--out", out}), {"i64"});
  CheckFails(Run({"rotate", "--q", q, "--theta", "-1", "--out", out}), {"theta", "-1"});
  CheckFails(Run({"rotate", "--q", q, "--rotary-dim", "10", "--out", out}), {"10", "8"});
  CheckFails(Run({"rotate", "--q", q, "--config", folder / "config.json", "--out", out}), {"128", "8"});
  CheckFails(Run({"rotate", "--q", q, "--dtype", "f64", "--out", out}), {"f64"});
  CheckFails(Run({"rotate", "--q", q, "--threads", "-1", "--out", out}), {"threads"});
  CheckFails(Run({"rotate", "--q", q, "--form", "half", "--out", out}), {"--form"});
  CheckFails(Run({"rotate", "--q", q, "--out", folder / "text.npy"}), {"text.npy"});
  CHECK(!std::filesystem::exists(out));
}

TEST_CASE("a config's RoPE rotates arrays of its shape") {
  const Folder folder;
  WriteText(folder / "config.json", kLlama31);
  WriteFloats(folder / "q.npy", {1, 2, 4096}, Noise(2 * 4096, 8));
  WriteFloats(folder / "k.npy", {1, 2, 1024}, Noise(2 * 1024, 9));
  const Outcome outcome =
      Run({"rotate", "--config", folder / "config.json", "--q", folder / "q.npy", "--k", folder / "k.npy",
           "--positions", "131070", "--check", "--out", folder / "out", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["model_type"] == "llama");
  CHECK(outcome.json()["q"]["heads"] == 32);
  CHECK(outcome.json()["k"]["heads"] == 8);
}

TEST_CASE("stories260k: real Q and K of layers 0 to 2") {
  const char* chosen = std::getenv("SIMDROPE_VECTORS");
  const std::string vectors = std::string(chosen == nullptr ? SIMDROPE_DEFAULT_VECTORS : chosen) + "/stories260k";
  if (!std::filesystem::exists(vectors)) {
    MESSAGE("no vectors at ", vectors, " (SIMDROPE_VECTORS): not run");
    return;
  }
  const Folder folder;
  int cases = 0;
  for (const char* layer : {"0", "1", "2"}) {
    for (const char* side : {"q", "k"}) {
      const std::string name = vectors + "/layer" + layer + "_" + side;
      const Json about = Json::parse(ReadText(name + "/case.json"));
      const Outcome outcome = Run({"rotate",
                                   "--q",
                                   name + "/input.npy",
                                   "--layout",
                                   "bshd",
                                   "--pairing",
                                   about["interleaved"].get<bool>() ? "interleaved" : "half",
                                   "--theta",
                                   about["rope"]["theta"].dump(),
                                   "--positions",
                                   name + "/position_ids.npy",
                                   "--check",
                                   "--expect-q",
                                   name + "/expected.npy",
                                   "--atol",
                                   about["tolerance"]["atol"].dump(),
                                   "--rtol",
                                   about["tolerance"]["rtol"].dump(),
                                   "--out",
                                   folder / "out"});
      CHECK_MESSAGE(outcome.code == 0, outcome.out, outcome.err);
      ++cases;
    }
  }
  CHECK(cases == 6);
}

}  // namespace
}  // namespace simdrope::test
