//! Search spaces: those of the specification, and those of users.

use std::fs;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use shared_model::schema::TaskSchema;
use trainer::parameters::RunParameters;
use trainer::search::space::{Configuration, Space, SpaceError, Values};
use trainer::study::Distribution;

fn v2() -> Space {
    Space::named("v2", &TaskSchema::euos25()).expect("known")
}

fn schema(tasks: usize, more: &str) -> TaskSchema {
    let tasks: String = (0..tasks).map(|task| format!("[[task]]\nname = \"task {task}\"\n")).collect();
    toml::from_str(&(tasks + more)).expect("a schema")
}

fn user(text: &str) -> Result<Space, SpaceError> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("space.toml");
    fs::write(&path, text).expect("written");
    Space::open(path.to_str().expect("UTF-8"), &TaskSchema::euos25())
}

fn draw(space: &Space, seed: u64) -> Configuration {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    space.draw(&Map::new(), |_, distribution| match distribution {
        Distribution::Float { low, high, .. } => random.random_range(*low..=*high),
        Distribution::Int { low, high, step, .. } => {
            (low + step * random.random_range(0..=(high - low) / step)) as f64
        }
        Distribution::Categorical { choices } => random.random_range(0..choices.len()) as f64,
    })
}

fn searched<'a>(space: &'a Space, name: &str) -> &'a Distribution {
    space.searched().find(|(known, _)| *known == name).expect(name).1
}

#[test]
fn the_spaces_are_those_of_the_specification() {
    let space = v2();
    let float = |low, high, log| Distribution::Float { low, high, log, step: None };
    for (name, expected) in [
        ("lr", float(8e-5, 8e-4, true)),
        ("posw_clip_t3", float(90.0, 220.0, true)),
        ("gamma_t2", float(0.0, 1.5, false)),
        ("lam_t1", float(1.0, 2.4, true)),
        ("min_w", float(0.1, 0.6, false)),
        ("mol_layers", Distribution::Int { low: 2, high: 5, log: false, step: 1 }),
        ("attn_heads", Distribution::Categorical { choices: vec![8.into(), 16.into(), 32.into()] }),
        (
            "head_fc2_gain_non_last",
            Distribution::Categorical { choices: vec![1e-3.into(), 3e-3.into(), 1e-2.into()] },
        ),
    ] {
        assert_eq!(searched(&space, name), &expected, "{name}");
    }
    assert_eq!(space.searched().count(), 42);
    let v1 = Space::named("v1", &TaskSchema::euos25()).expect("known");
    assert_eq!(searched(&v1, "rare_prev_thr"), &float(0.005, 0.05, false));
    assert_eq!(searched(&v1, "rare_oversample_mult"), &float(0.0, 200.0, false));
    assert_eq!(v1.searched().count(), 37);
}

#[test]
fn every_point_of_either_space_is_a_run() {
    for name in ["v2", "v1"] {
        for schema in [TaskSchema::euos25(), schema(1, ""), schema(6, "[[absorbance]]\ncolumn = \"peak\"\n")]
        {
            let space = Space::named(name, &schema).expect("known");
            for seed in 0..50 {
                let parameters = Value::Object(draw(&space, seed).parameters);
                let run = RunParameters::from_json(&parameters, &schema);
                assert!(run.is_ok(), "{name}: {run:?} of {parameters}");
            }
        }
    }
}

#[test]
fn other_tasks_get_the_widest_specified_ranges_and_nothing_without_effect() {
    let one = schema(1, "");
    let space = Space::named("v2", &one).expect("known");
    let range = Distribution::Float { low: 3.0, high: 220.0, log: true, step: None };
    assert_eq!(searched(&space, "posw_clip_t0"), &range);
    let names: Vec<&str> = space.entries().iter().map(|entry| entry.name.as_str()).collect();
    for absent in
        ["posw_clip_t1", "lam_t0", "lam_floor", "lambda_aux_abs", "lambda_aux_fluo", "quota_t450_per_256"]
    {
        assert!(!names.contains(&absent), "{absent}");
    }
    let six = Space::named("v2", &schema(6, "")).expect("known");
    assert!(six.searched().any(|(name, _)| name == "gamma_t5"));
    // Four tasks of other names are other tasks.
    let four = Space::named("v2", &schema(4, "")).expect("known");
    assert_eq!(searched(&four, "posw_clip_t0"), &range);
}

#[test]
fn a_users_space_extends_another_and_its_conditions_hold() {
    let space = user(
        r#"base = "v2"
        [parameters]
        lr = { low = 1e-5, high = 1e-3, log = true }
        batch_size = 64
        gamma_t0 = { low = 0, high = 4 }
        mol_hidden = { low = 64, high = 255, step = 64 }
        aggregator_name = ["task_attention_pool", "mean_pool"]
        "aggregator_kwargs.topk_n" = { choices = [1, 2, 4], if = { aggregator_name = "task_attention_pool" } }
        attn_dropout = { low = 0.0, high = 0.5, if = { "aggregator_kwargs.topk_n" = [2, 4] } }
        "#,
    )
    .expect("a space");
    assert_eq!(
        searched(&space, "gamma_t0"),
        &Distribution::Float { low: 0.0, high: 4.0, log: false, step: None },
        "a real number, though its ends are whole"
    );
    assert_eq!(
        searched(&space, "mol_hidden"),
        &Distribution::Int { low: 64, high: 192, log: false, step: 64 },
        "the last value that steps reach"
    );
    assert_eq!(searched(&space, "proj_dim"), searched(&v2(), "proj_dim"), "of the base");
    let mut seen = [false; 3];
    for seed in 0..60 {
        let Configuration { searched, parameters } = draw(&space, seed);
        assert_eq!(parameters["batch_size"], 64);
        assert!(!searched.contains_key("batch_size"));
        let pools = parameters["aggregator_name"] == "task_attention_pool";
        let topk = parameters.get("aggregator_kwargs").map(|options| options["topk_n"].clone());
        assert_eq!(topk.is_some(), pools);
        let drops = topk == Some(2.into()) || topk == Some(4.into());
        assert_eq!(searched.contains_key("attn_dropout"), drops);
        seen[usize::from(pools) + usize::from(drops)] = true;
        RunParameters::from_json(&parameters.into(), &TaskSchema::euos25()).expect("a run");
    }
    assert_eq!(seen, [true; 3]);
}

#[test]
fn mistakes_name_the_parameter_and_what_was_meant() {
    let refused = |parameters: &str, parts: &[&str]| {
        let text = user(&format!("[parameters]\nmol_layers = [1, 2]\n{parameters}\n"))
            .expect_err(parameters)
            .to_string();
        assert!(!text.contains('\n') && text.contains("space.toml"), "{text}");
        for part in parts {
            assert!(text.contains(part), "\"{part}\" is not in: {text}");
        }
    };
    refused("learnin_rate = 1", &["learnin_rate"]);
    refused("mol_hiden = [64]", &["did you mean \"mol_hidden\"?"]);
    refused("lr = { low = 1e-5, high = 5.0 }", &["lr is 5"]);
    refused("lr = { low = 1e-3, high = 1e-5 }", &["lr", "low 0.001 above high 0.00001"]);
    refused("lr = { low = 1e-3, hihg = 1e-2 }", &["lr", "did you mean \"high\"?"]);
    refused("lr = { low = 1e-3 }", &["lr needs both low and high"]);
    refused("lr = { low = 0.0, high = 0.1, log = true }", &["lr", "above 0"]);
    refused("lr = { low = 0.1, high = 0.2, log = true, step = 0.1 }", &["both log and step"]);
    refused("inst_layers = { low = 1.5, high = 3 }", &["inst_layers is a whole number"]);
    refused("activation = [\"Mish\", \"SILU\"]", &["activation", "did you mean \"SiLU\"?"]);
    refused("activation = []", &["activation has no choices"]);
    refused("lr = { low = 1e-4, high = 1e-3, if = { nothing = 1 } }", &["lr depends on nothing"]);
    refused(
        "inst_layers = { choices = [1, 2], if = { head_num_layers = 1 } }\nhead_num_layers = { choices = [1, 2], if = { inst_layers = 1 } }",
        &["depends on"],
    );
    for (text, part) in [
        ("[parameters]\nmol_layers = 2", "every parameter is fixed"),
        ("base = \"v3\"\n[parameters]\nmol_layers = [2]", "base must be"),
        ("[parameter]\nmol_layers = [2]", "did you mean \"parameters\"?"),
        ("[parameters]\nmol_layers = [2", "line 2"),
    ] {
        let error = user(text).expect_err(text).to_string();
        assert!(error.contains(part), "\"{part}\" is not in: {error}");
    }
    let error = Space::open("v3", &TaskSchema::euos25()).expect_err("unknown").to_string();
    assert!(error.contains("v3") && error.contains("v2 and v1"), "{error}");
}

#[test]
fn what_is_fixed_is_not_searched_and_a_best_trial_is_complete_with_it() {
    let mut space = v2();
    let schema = TaskSchema::euos25();
    space.fix(&[("lr".into(), json!(5e-4)), ("ema_decay".into(), json!(0.99))], &schema).expect("fixed");
    assert!(space.searched().all(|(name, _)| name != "lr"));
    let drawn = draw(&space, 1);
    assert_eq!((&drawn.parameters["lr"], &drawn.parameters["ema_decay"]), (&json!(5e-4), &json!(0.99)));
    let searched: Map<String, Value> =
        drawn.searched.iter().map(|(name, parameter)| (name.clone(), parameter.external())).collect();
    assert_eq!(space.complete(&Map::new(), &searched), drawn.parameters);
    let error = space.fix(&[("ema_deca".into(), json!(0.9))], &schema).expect_err("unknown").to_string();
    assert!(error.contains("ema_decay"), "{error}");
}

#[test]
fn the_printed_space_reads_back_and_marks_what_differs() {
    for text in
        [v2().to_toml(&v2()), Space::named("v1", &TaskSchema::euos25()).expect("known").to_toml(&v2())]
    {
        let read = user(&text).expect("it reads back");
        let name = if text.contains("architecture") { "v1" } else { "v2" };
        let space = Space::named(name, &TaskSchema::euos25()).expect("known");
        assert_eq!(read.entries(), space.entries());
    }
    let text = "base = \"v2\"\n[parameters]\nlr = [1e-4]\n\"aggregator_kwargs.topk_n\" = { choices = [1, 2], if = { aggregator_name = \"task_attention_pool\" } }";
    let space = user(text).expect("a space");
    let printed = space.to_toml(&v2());
    assert_eq!(user(&printed).expect("it reads back").entries(), space.entries());
    let line = |start: &str| printed.lines().find(|line| line.starts_with(start)).expect(start).to_owned();
    assert!(line("lr = ").contains("differs from v2: { low = "), "{printed}");
    assert!(line("\"aggregator_kwargs.topk_n\"").contains("not in v2"));
    assert!(!line("mol_hidden").contains('#'));
}

proptest! {
    #[test]
    fn any_range_is_refused_in_a_sentence_or_holds_its_draws(
        low in -1e3..1e3f64, high in -1e3..1e3f64, log: bool, step in proptest::option::of(-1.0..10.0f64)
    ) {
        let step = step.map_or_else(String::new, |step| format!(", step = {step:?}"));
        let text = format!("[parameters]\nrare_oversample_mult = {{ low = {low:?}, high = {high:?}, log = {log}{step} }}");
        match user(&text) {
            Err(error) => prop_assert!(error.to_string().contains("rare_oversample_mult")),
            Ok(space) => {
                let distribution = searched(&space, "rare_oversample_mult");
                let fits = matches!(distribution, Distribution::Float { low: l, high: h, .. } if low <= *l && *h <= high);
                prop_assert!(fits && Distribution::from_json(&distribution.to_json()).as_ref() == Ok(distribution));
                prop_assert!(space.entries().iter().all(|entry| matches!(entry.values, Values::Searched(_))));
            }
        }
    }
}
