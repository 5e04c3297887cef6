// simdrope cossin: rows of cos and sin in the form another engine wants.
#include <cstdio>
#include <simdrope/io.hpp>
#include <string>

#include "arrays.h"
#include "command.h"
#include "failure.h"
#include "names.h"
#include "output_file.h"
#include "rope_arguments.h"
#include "table_forms.h"
#include "token_positions.h"

namespace simdrope::tool {
namespace {

struct CosSinArguments {
  bool json = false;
  RopeArguments rope;
  std::string positions, out, form = "half", format = "f32";

  void AddTo(CLI::App& app) {
    rope.AddTo(app);
    app.add_option("--positions", positions,
                   "BEGIN:END, one position, or ids.npy ([seq], [batch, seq] or [axes, batch, seq])")
        ->required();
    app.add_option("--out", out, "Folder for cos.npy and sin.npy, or cos_sin.npy")->required();
    app.add_option("--form", form,
                   Choices(kTableForms) +
                       ": [rows, d/2]; [rows, d] with each value twice, half after half or element "
                       "by element; both in one row of d; complex pairs [rows, d/2, 2]");
    app.add_option("--dtype", format, Choices(kFormats) + " of the rows (bf16 is stored as uint16)");
  }
};

int RunCosSin(const CosSinArguments& arguments) {
  const RopeChoice choice = arguments.rope.Resolve();
  const Rope rope = Compile(choice.config, arguments.rope.config);
  const TokenPositions positions = TokenPositions::Parse(arguments.positions);
  const TableForm form = Parse(kTableForms, "--form", arguments.form);
  const Format format = Parse(kFormats, "--dtype", arguments.format);
  const simdrope_rope_info info = rope.info();
  if (info.distinct_keys) Fail("XPos has different rows for Q and K; cossin writes one table");

  const int64_t seq = positions.length().value_or(1);
  const int64_t batch = positions.batch();
  TableArrays arrays = MakeTableArrays(form, format, batch, seq, info.pairs);
  simdrope::CosSinOutput rows(TableOf(arrays, form, format));
  std::vector<float> query_scale(info.scales_queries ? static_cast<size_t>(batch * seq) : 0);
  if (info.scales_queries) rows.query_scale = query_scale.data();
  const simdrope::Positions view = positions.view();
  Require(Status::of(simdrope_compute_cos_sin(rope.get(), &view, batch, seq, &rows, nullptr)));

  CreateFolder(arguments.out);
  const std::string joined = arguments.out + "/cos_sin.npy", cos = arguments.out + "/cos.npy",
                    sin = arguments.out + "/sin.npy";
  for (const std::string& path : {joined, cos, sin}) {
    RefuseInput("--out", path, {{"--positions", arguments.positions}, {"--config", arguments.rope.config}});
  }
  Json files = Json::array();
  const auto write = [&](const std::string& path, const io::Array& array) {
    Require(io::write_npy(path, array));
    files.push_back({{"file", path}, {"shape", array.shape}});
  };
  if (IsJoined(form)) {
    write(joined, arrays.cos);
  } else {
    write(cos, arrays.cos);
    write(sin, arrays.sin);
  }
  if (arguments.json) {
    Print({{"model_type", choice.model_type},
           {"form", arguments.form},
           {"dtype", arguments.format},
           {"rows", batch * seq},
           {"pairs", info.pairs},
           {"attention_factor", info.attention_factor},
           {"files", files}});
  } else {
    for (const Json& file : files) {
      std::printf("wrote %s %s %s\n", file["file"].get<std::string>().c_str(), arguments.format.c_str(),
                  file["shape"].dump().c_str());
    }
  }
  return 0;
}

}  // namespace

void AddCosSin(CLI::App& app, int& exit_code) {
  AddCommand<CosSinArguments>(app, exit_code, "cossin", "Rows of cos and sin, as .npy", RunCosSin);
}

}  // namespace simdrope::tool
