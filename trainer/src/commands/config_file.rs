//! `--config run.toml`: options and parameters of a run in a file, and the file that a run leaves behind.
//!
//! Every long option of a command is a key; `[parameters]` holds parameters, `[recorded]` what a run noted about
//! itself. What is typed on the command line goes before what the file says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use serde_json::Map;
use toml::{Table, Value};

use crate::suggestion::did_you_mean;

/// What a configuration file says.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    options: Table,
    /// Flat parameters, as in a parameter file.
    pub parameters: Map<String, serde_json::Value>,
    /// Hash of the data of the run that wrote the file.
    pub data_sha256: Option<String>,
}

impl ConfigFile {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let in_file = || format!("configuration {}", path.display());
        let text = fs::read_to_string(path).with_context(in_file)?;
        let mut options: Table = text
            .parse()
            .map_err(|error: toml::de::Error| anyhow::anyhow!(one_line(&error, &text)))
            .with_context(in_file)?;
        let mut table = |name: &str| match options.remove(name) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table),
            Some(_) => Err(anyhow::anyhow!("{name} must be a table, [{name}]")),
        };
        let (parameters, recorded) =
            (table("parameters").with_context(in_file)?, table("recorded").with_context(in_file)?);
        let parameters = match serde_json::to_value(parameters) {
            Ok(serde_json::Value::Object(parameters)) => parameters,
            _ => bail!("{}: [parameters] holds what JSON has no form for", in_file()),
        };
        let data_sha256 = recorded.get("data_sha256").and_then(Value::as_str).map(Into::into);
        Ok(Self { path: path.into(), options, parameters, data_sha256 })
    }

    /// The file that an option names, relative to this file.
    pub fn file(&self, option: &str) -> Option<PathBuf> {
        let value = self.options.iter().find(|(key, _)| key.replace('_', "-") == option)?.1;
        Some(self.relative(value.as_str()?))
    }

    fn relative(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The options as words of the command line of `command`.
    ///
    /// Options of the `others` are skipped: one file may serve several commands.
    fn words(&self, command: &Command, others: &[&Command]) -> anyhow::Result<Vec<OsString>> {
        let mut words = Vec::new();
        for (key, value) in &self.options {
            let name = key.replace('_', "-");
            match option(command, &name) {
                Some(option) => words.extend(
                    self.option_words(option, &name, value)
                        .with_context(|| format!("configuration {}: {key}", self.path.display()))?,
                ),
                None if others.iter().any(|other| option(other, &name).is_some()) => {}
                None => {
                    let known = command.get_arguments().filter_map(Arg::get_long).chain(["parameters"]);
                    bail!(
                        "configuration {}: unknown option \"{key}\"{}; `optimil help {}` lists them",
                        self.path.display(),
                        did_you_mean(&name, known),
                        command.get_name()
                    );
                }
            }
        }
        Ok(words)
    }

    fn option_words(&self, option: &Arg, name: &str, value: &Value) -> anyhow::Result<Vec<OsString>> {
        if matches!(option.get_action(), ArgAction::SetTrue) {
            let Value::Boolean(set) = value else { bail!("it must be true or false") };
            return Ok(if *set { vec![format!("--{name}").into()] } else { Vec::new() });
        }
        let values = match value {
            Value::Array(values) if matches!(option.get_action(), ArgAction::Append) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let word = |value: &Value| {
            let text = match value {
                Value::String(text) if option.get_value_hint() == ValueHint::AnyPath => {
                    self.relative(text).into_os_string()
                }
                Value::String(text) => text.into(),
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string().into(),
                _ => bail!("it must be one value, not {}", value.type_str()),
            };
            let mut word = OsString::from(format!("--{name}="));
            word.push(text);
            Ok(word)
        };
        values.iter().map(word).collect()
    }
}

/// The first line of what is wrong with a TOML file, and where.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

/// The option of a command with this long name or alias, if a configuration file may set it.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        let names = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
        arg.get_id() != "config" && names.into_iter().any(|known| known == name)
    })
}

/// Puts what the file of `--config` says in front of the options that were typed, so that these override it; and tells
/// which file that was.
pub(super) fn expand(
    words: Vec<OsString>,
    program: &Command,
) -> anyhow::Result<(Vec<OsString>, Option<PathBuf>)> {
    let takes_config = |command: &&Command| option_named_config(command).is_some();
    let typed = words.get(1).and_then(|name| program.find_subcommand(name));
    let (Some(command), Some(path)) = (typed.filter(takes_config), config_path(&words)) else {
        return Ok((words, None));
    };
    let others: Vec<&Command> = program.get_subcommands().filter(takes_config).collect();
    let from_file = ConfigFile::read(&path)?.words(command, &others)?;
    let (before, after) = words.split_at(2);
    Ok(([before, &from_file, after].concat(), Some(path)))
}

fn option_named_config(command: &Command) -> Option<&Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some("config"))
}

/// What follows `--config`, last of all where it is repeated.
fn config_path(words: &[OsString]) -> Option<PathBuf> {
    let options = words.iter().take_while(|word| *word != "--").enumerate();
    let paths = options.filter_map(|(index, word)| match word.to_str()?.strip_prefix("--config")? {
        "" => words.get(index + 1).map(PathBuf::from),
        value => value.strip_prefix('=').map(PathBuf::from),
    });
    paths.last()
}

/// The long options of a command as they were resolved, defaults included.
#[derive(Debug, Clone, Default)]
pub(super) struct ResolvedOptions(Table);

impl ResolvedOptions {
    /// What a run leaves out of its configuration: where it went, which may hold a password, and what is in it in another
    /// form.
    const LEFT_OUT: [&str; 8] =
        ["out", "config", "params", "set", "dry-run", "resume", "print-space", "storage"];

    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let options = command.get_arguments().filter_map(|option| {
            // A search notes `--set` by itself: it fixes what is searched.
            let fixes = |name: &str| name == "set" && command.get_name() == "hpo";
            let name = option.get_long().filter(|name| !Self::LEFT_OUT.contains(name) || fixes(name))?;
            let values = matches.try_get_raw(option.get_id().as_str()).ok()??;
            let mut values: Vec<Value> = values.map(|value| resolved_value(option, value)).collect();
            let value = match option.get_action() {
                ArgAction::Append => Value::Array(values),
                _ => values.pop()?,
            };
            Some((name.to_owned(), value))
        });
        Self(options.collect())
    }

    /// The text of a configuration file with these options, `device` for the one that was found, and all
    /// parameters.
    pub fn to_toml(
        &self,
        command: &str,
        device: &str,
        parameters: &Map<String, serde_json::Value>,
        recorded: &[(&str, &str)],
    ) -> String {
        let mut file = self.0.clone();
        file.insert("device".into(), device.into());
        file.insert("parameters".into(), Value::Table(table(parameters)));
        let recorded = recorded.iter().map(|&(name, value)| (name.to_owned(), value.into()));
        file.insert("recorded".into(), Value::Table(recorded.collect()));
        format!(
            "# The configuration of a run, complete. To repeat it: optimil {command} --config THIS_FILE --out FOLDER\n\n{}",
            toml::to_string(&file).expect("tables of plain values serialise")
        )
    }
}

/// A value as TOML would write it; it reads back to the same text.
fn resolved_value(option: &Arg, value: &OsStr) -> Value {
    if option.get_value_hint() == ValueHint::AnyPath {
        let absolute = std::path::absolute(value).unwrap_or_else(|_| value.into());
        return absolute.to_string_lossy().into_owned().into();
    }
    let text = value.to_string_lossy();
    let plain = [text.parse().map(Value::Integer).ok(), text.parse().map(Value::Boolean).ok()];
    let same = |plain: &Value| plain.to_string() == text;
    plain.into_iter().flatten().find(same).unwrap_or_else(|| text.into_owned().into())
}

/// JSON as TOML, which has no null: that stands for what is not set, and is left out.
fn to_toml(value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Float(number.as_f64()?),
        },
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(values) => Value::Array(values.iter().filter_map(to_toml).collect()),
        serde_json::Value::Object(fields) => Value::Table(table(fields)),
    })
}

fn table(fields: &Map<String, serde_json::Value>) -> Table {
    fields.iter().filter_map(|(name, value)| Some((name.clone(), to_toml(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_survive_the_file_to_the_bit() {
        let parameters = json!({
            "lr": 0.1 + 0.2, "weight_decay": 1e-300, "batch_size": 64, "name": "x \"y\"", "flag": true,
            "aggregator_kwargs": { "topk_n": 3, "temperature_init": 0.3, "prune_below": null },
        });
        let fields = parameters.as_object().expect("object");
        let options = ResolvedOptions([("seed".to_owned(), Value::Integer(3))].into_iter().collect());
        let text = options.to_toml("train", "cpu", fields, &[("data_sha256", "ab")]);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("run.toml");
        fs::write(&path, text).expect("written");
        let file = ConfigFile::read(&path).expect("read");
        let mut expected = parameters.clone();
        expected["aggregator_kwargs"].as_object_mut().expect("object").remove("prune_below");
        assert_eq!(serde_json::Value::Object(file.parameters), expected);
        assert_eq!(
            (file.options["seed"].as_integer(), file.options["device"].as_str()),
            (Some(3), Some("cpu"))
        );
        assert_eq!(file.data_sha256.as_deref(), Some("ab"));
    }
}
