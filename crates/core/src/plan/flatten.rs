//! Turns nested workflows into one list of templates: declares every node and parameter, then binds them.

use std::collections::HashMap;
use std::rc::Rc;

use super::bind::Binder;
use super::state::{Bound, Calls, Entry, Loose, Pending, Scope, Site, State};
use super::{Call, Catalogue, Command, CommandSignature, Options, Plan, Setting, Work, expand, iterate, known};
use crate::document::{
    self, Called, Code, Expression, Function, Name, Nested, Node, Parameter, ResourceFile, Resources, Workflow,
};
use crate::interface::Interface;
use crate::tree::Problem;
use crate::value::{Type, Value};

/// Workflows nested deeper than this are taken for a file that contains itself.
const DEEPEST: usize = 50;

pub(super) fn flatten(
    workflow: Workflow,
    options: &Options<'_>,
    catalogue: &mut dyn Catalogue,
) -> (Option<Plan>, Vec<Problem>) {
    let name = workflow.name.text.clone();
    let mut flattener = Flattener { options, catalogue, state: State::default(), files: Vec::new(), named: Vec::new() };
    flattener.files.extend(options.resource_files.iter().map(|file| (String::new(), Rc::clone(file))));
    let site =
        Site { prefix: String::new(), base: Rc::from(options.base), file: None, outer: None, depth: 0, caller: None };
    flattener.declare(workflow, site, Vec::new());
    let warnings = flattener.unknown_names();
    let mut state = flattener.state;
    state.warnings = warnings;
    let bound = Binder::bind(&mut state);
    expand::expand(name, state, bound)
}

struct Flattener<'a> {
    options: &'a Options<'a>,
    catalogue: &'a mut dyn Catalogue,
    state: State,
    /// Every resource file, with the names around the workflow that it is read for.
    files: Vec<(String, Rc<ResourceFile>)>,
    /// The nodes that resource files may name.
    named: Vec<String>,
}

impl Flattener<'_> {
    fn problem(&mut self, site: &Site, name: &Name, message: String) {
        self.state.problems.push(Problem { file: site.file.clone(), mark: name.mark, message });
    }

    fn declare(&mut self, workflow: Workflow, site: Site, given: Vec<(Name, Expression)>) -> usize {
        let outer = site.outer.map(|outer| &self.state.scopes[outer]);
        let environment = merge(outer.map_or(&[], |s| &s.environment), workflow.environment);
        let resources = outer.map_or_else(Resources::default, |s| s.resources.clone());
        let resources = workflow.resources.over(&resources);
        let resource_files = self.resource_files(&site, workflow.resource_file);
        self.state.scopes.push(Scope {
            site: site.clone(),
            names: HashMap::new(),
            parameters: HashMap::new(),
            functions: workflow.functions.into_iter().map(|(name, f)| (name.text, f.map(Rc::new))).collect(),
            outputs: workflow.outputs,
            environment,
            resources,
            resource_files,
            unread: workflow.unread,
        });
        let scope = self.state.scopes.len() - 1;
        let parameters = self.declare_parameters(scope, &site, workflow.parameters, &workflow.synchronize, given);
        self.state.scopes[scope].parameters = parameters;
        for node in workflow.nodes {
            self.declare_node(scope, &site, node);
        }
        scope
    }

    /// The resource files that count in a workflow: those given for the run, those around it, its own.
    fn resource_files(&mut self, site: &Site, own: Option<Name>) -> Vec<(String, Rc<ResourceFile>)> {
        let mut files = match site.outer {
            Some(outer) => self.state.scopes[outer].resource_files.clone(),
            None => {
                let given = self.options.resource_files.to_vec();
                given.into_iter().map(|file| (String::new(), file)).collect()
            }
        };
        let Some(path) = own else { return files };
        let absolute = super::evaluate::join_path(&site.base, &path.text);
        match self.catalogue.document(&absolute) {
            Ok(text) => {
                let (file, problems) = ResourceFile::read(&text, &absolute);
                let located = |p| Problem { file: Some(Rc::from(absolute.as_str())), ..p };
                self.state.problems.extend(problems.into_iter().map(located));
                let file = Rc::new(file);
                self.files.push((site.prefix.clone(), Rc::clone(&file)));
                files.push((site.prefix.clone(), file));
            }
            Err(message) => self.problem(site, &path, message),
        }
        files
    }

    /// What to warn of: names in resource files that no node has.
    fn unknown_names(&self) -> Vec<String> {
        let unknown = |(prefix, file): &(String, Rc<ResourceFile>)| {
            let names: Vec<&str> = self.named.iter().filter_map(|name| name.strip_prefix(prefix.as_str())).collect();
            file.unknown(&names)
        };
        self.files.iter().filter_map(unknown).collect()
    }

    /// What a node needs by the resource files, where it says nothing itself.
    fn with_resource_files(&mut self, scope: usize, site: &Site, node: &mut Node, work: &document::Work) {
        let files = &self.state.scopes[scope].resource_files;
        if files.is_empty() {
            return;
        }
        let full = match &node.nipype {
            Some(nipype) => nipype.title.clone(),
            None => format!("{}{}", site.prefix, node.name.text),
        };
        for (prefix, file) in files {
            let name = full.strip_prefix(prefix.as_str()).unwrap_or(&full);
            let filed = file.of(name, node, work);
            node.resources = std::mem::take(&mut node.resources).over(&filed);
        }
        self.named.push(full);
    }

    fn declare_parameters(
        &mut self,
        scope: usize,
        site: &Site,
        mut parameters: Vec<Parameter>,
        synchronize: &[Vec<Name>],
        given: Vec<(Name, Expression)>,
    ) -> HashMap<String, Bound> {
        let mut bound = HashMap::new();
        if site.outer.is_none() {
            self.apply_settings(&mut parameters);
        }
        for (name, expression) in given {
            match parameters.iter().position(|p| p.name.text == name.text) {
                Some(at) => {
                    let parameter = parameters.remove(at);
                    bound.insert(name.text, Bound::Outer(expression, parameter.kind));
                }
                None => {
                    let outer = site.outer.unwrap_or(scope);
                    self.state.loose.push(Loose { scope: outer, expression, lenient: false });
                    if self.state.scopes[scope].unread.holds("parameters") {
                        continue;
                    }
                    let hint = document::suggest(&name.text, parameters.iter().map(|p| p.name.text.as_str()));
                    let message = format!("the nested workflow has no parameter `{}`{hint}", name.text);
                    let outer = site.outer.map(|o| self.state.scopes[o].site.clone());
                    self.problem(outer.as_ref().unwrap_or(site), &name, message);
                }
            }
        }
        iterate::parameters(&mut self.state, scope, parameters, synchronize, &mut bound);
        bound
    }

    /// Replaces the defaults of the main workflow's parameters by what was set from outside.
    fn apply_settings(&mut self, parameters: &mut [Parameter]) {
        for (key, setting) in self.options.settings {
            let Some(parameter) = parameters.iter_mut().find(|p| p.name.text == *key) else {
                if self.state.scopes[0].unread.holds("parameters") {
                    continue;
                }
                let hint = document::suggest(key, parameters.iter().map(|p| p.name.text.as_str()));
                let message = format!("`{key}` was set, but the workflow has no such parameter{hint}");
                self.state.problems.push(Problem { message, ..Problem::default() });
                continue;
            };
            if let Err(message) = iterate::set(parameter, setting, self.options.settings_base) {
                parameter.default = document::Default::Broken;
                let message = format!("the parameter `{key}` cannot be set so: {message}");
                self.state.problems.push(Problem { message, ..Problem::default() });
            }
        }
    }

    fn declare_node(&mut self, scope: usize, site: &Site, mut node: Node) {
        let work = std::mem::replace(&mut node.work, document::Work::Command(Vec::new()));
        let name = node.name.clone();
        self.with_resource_files(scope, site, &mut node, &work);
        let entry = match work {
            document::Work::Workflow(nested) => self.declare_nested(scope, site, node, nested),
            document::Work::Broken => self.broken(scope, node, true),
            work => {
                let builtin = matches!(work, document::Work::Builtin(_));
                match self.look_up(scope, &mut node, work) {
                    Ok((work, signature)) => {
                        let (axes, broken) = iterate::node(&mut self.state, scope, &node);
                        Entry::Node(self.state.pending.push(Pending { scope, node, work, signature, axes, broken }))
                    }
                    Err((at, message)) => {
                        self.problem(site, &at, message);
                        self.broken(scope, node, builtin)
                    }
                }
            }
        };
        // Of a name that stands twice nobody knows which one a reference means.
        let names = &mut self.state.scopes[scope].names;
        let entry = if names.contains_key(&name.text) { Entry::Broken } else { entry };
        names.insert(name.text, entry);
    }

    /// A node that nothing is known of but what it is given.
    fn broken(&mut self, scope: usize, node: Node, lenient: bool) -> Entry {
        iterate::node(&mut self.state, scope, &node);
        let given = node.inputs.into_iter().filter_map(|input| input.value);
        self.state.loose.extend(given.map(|expression| Loose { scope, expression, lenient }));
        Entry::Broken
    }

    fn declare_nested(&mut self, scope: usize, site: &Site, node: Node, nested: Nested) -> Entry {
        for (what, present) in [
            ("map", node.map.is_some()),
            ("join", node.join.is_some()),
            ("iterables", !node.iterables.is_empty()),
            ("retries", node.retries.is_some()),
            ("overwrite", node.overwrite),
        ] {
            if present {
                let message =
                    format!("`{}` is a workflow and takes no `{what}`; write it at a node inside", node.name.text);
                self.problem(site, &node.name, message);
            }
        }
        let prefix = format!("{}{}.", site.prefix, node.name.text);
        let depth = site.depth + 1;
        let caller = Some((node.name.clone(), !node.unread.holds("inputs")));
        let mut inner = Site { prefix, outer: Some(scope), depth, caller, ..site.clone() };
        if depth > DEEPEST {
            let message = format!("workflows are nested more than {DEEPEST} deep here; does a file contain itself?");
            self.problem(site, &node.name, message);
            return Entry::Broken;
        }
        let mut workflow = match nested {
            Nested::Inline(workflow) => *workflow,
            Nested::File(path) => match self.read_nested(site, &path) {
                Some((workflow, base, file)) => {
                    inner.base = base;
                    inner.file = Some(file);
                    workflow
                }
                None => return self.broken(scope, node, false),
            },
        };
        workflow.environment.extend(node.environment);
        workflow.resources = node.resources.over(&workflow.resources);
        let given = node.inputs.into_iter().filter_map(|input| Some((input.name, input.value?))).collect();
        Entry::Workflow(self.declare(workflow, inner, given))
    }

    fn read_nested(&mut self, site: &Site, path: &Name) -> Option<(Workflow, Rc<str>, Rc<str>)> {
        let absolute = super::evaluate::join_path(&site.base, &path.text);
        let text = match self.catalogue.document(&absolute) {
            Ok(text) => text,
            Err(message) => {
                self.problem(site, path, message);
                return None;
            }
        };
        let file: Rc<str> = Rc::from(absolute.as_str());
        let (workflow, problems) = document::examine(&text);
        let located = problems.into_iter().map(|p| Problem { file: Some(Rc::clone(&file)), ..p });
        self.state.problems.extend(located);
        let base = absolute.rsplit_once('/').map_or("/", |(directory, _)| directory);
        Some((workflow?, Rc::from(base), file))
    }

    /// What a node runs and its ports.
    fn look_up(
        &mut self,
        scope: usize,
        node: &mut Node,
        work: document::Work,
    ) -> Result<(Work, Rc<dyn Interface>), (Name, String)> {
        let scope = &self.state.scopes[scope];
        match work {
            document::Work::Interface(name) => {
                let (number, signature) =
                    self.catalogue.interface(&name.text, &scope.site.base).map_err(|message| (name, message))?;
                Ok((Work::Interface(number), signature))
            }
            document::Work::Builtin(name) => {
                let known = known_inputs(node, &scope.parameters);
                let given: Vec<(&str, Option<&Value>)> = known.iter().map(|(n, v)| (*n, v.as_ref())).collect();
                let signature =
                    self.catalogue.builtin(&name.text, &given).map_err(|message| (name.clone(), message))?;
                Ok((Work::Builtin(name.text), signature))
            }
            document::Work::Command(words) => Ok(command(node, words, false)),
            document::Work::Shell(word) => Ok(command(node, vec![word], true)),
            document::Work::Function(called) => {
                let function = function(called, &scope.functions)?;
                Ok(self.state.calls.of(node, function))
            }
            document::Work::Workflow(_) | document::Work::Broken => {
                Err((node.name.clone(), "a workflow cannot be looked up".to_owned()))
            }
        }
    }
}

/// The inputs a node is given, with the values of those that are known.
fn known_inputs<'a>(node: &'a Node, parameters: &HashMap<String, Bound>) -> Vec<(&'a str, Option<Value>)> {
    let inputs = node.inputs.iter().filter_map(|input| {
        let expression = input.value.as_ref()?;
        Some((input.name.text.as_str(), known::expression(expression, parameters)))
    });
    inputs.chain(node.iterables.iter().map(|(name, _)| (name.text.as_str(), None))).collect()
}

fn command(node: &mut Node, words: Vec<document::Word>, shell: bool) -> (Work, Rc<dyn Interface>) {
    let signature = CommandSignature::new(node);
    let words = words.into_iter().map(|word| word.pieces).collect();
    let command = Command { words, shell, outputs: std::mem::take(&mut node.outputs) };
    (Work::Command(Rc::new(command)), Rc::new(signature))
}

/// The function that a node calls.
fn function(called: Called, known: &HashMap<String, Option<Rc<Function>>>) -> Result<Rc<Function>, (Name, String)> {
    let name = match called {
        Called::Inline(function) => return Ok(Rc::from(function)),
        Called::Name(name) => name,
    };
    match known.get(&name.text) {
        Some(Some(function)) => Ok(Rc::clone(function)),
        // Reported where it stands; the node is broken all the same.
        Some(None) => Err((name.clone(), format!("the function `{}` could not be read", name.text))),
        None if document::is_importable(&name.text) => Ok(Rc::new(Function {
            code: Code::Import(name.text),
            name: None,
            imports: Vec::new(),
            globals: None,
            version: None,
            positional: false,
        })),
        None => {
            let hint = document::suggest(&name.text, known.keys().map(String::as_str));
            let message = format!(
                "there is no function `{}` under `functions` of its workflow{hint}; one of a module is written module:function",
                name.text
            );
            Err((name, message))
        }
    }
}

impl Calls {
    /// What a node that calls a function runs, and its ports.
    fn of(&mut self, node: &mut Node, function: Rc<Function>) -> (Work, Rc<dyn Interface>) {
        let outputs = std::mem::take(&mut node.outputs);
        let mut ports = String::new();
        for output in &outputs {
            ports += &format!("{}\0{}\0{}\n", output.name.text, output.kind, output.optional);
        }
        let calls = self.functions.entry(Rc::clone(&function)).or_default();
        // A function that stands twice with the same text is one function.
        let function = calls.values().next().map_or(function, |call| Rc::clone(&call.function));
        let call = match calls.get(&ports) {
            Some(call) => Rc::clone(call),
            None => {
                let call = Rc::new(Call { function, outputs });
                calls.insert(ports.clone(), Rc::clone(&call));
                call
            }
        };
        for input in &node.inputs {
            let kind = input.kind.as_ref().map_or_else(String::new, ToString::to_string);
            ports += &format!("{}\0{kind}\0{}\n", input.name.text, input.mandatory && input.value.is_none());
        }
        let new = || -> Rc<dyn Interface> { Rc::new(CommandSignature::of_function(&node.inputs, &call.outputs)) };
        let signature = Rc::clone(self.signatures.entry(ports).or_insert_with(new));
        (Work::Function(call), signature)
    }
}

fn merge(outer: &[(String, String)], inner: Vec<(String, String)>) -> Rc<[(String, String)]> {
    let mut merged: Vec<(String, String)> = outer.to_vec();
    merged.retain(|(key, _)| !inner.iter().any(|(k, _)| k == key));
    merged.extend(inner);
    merged.into()
}

/// The environment of a node: that of its workflow and its own.
pub(super) fn environment(scope: &Scope, node: &mut Node) -> Rc<[(String, String)]> {
    if node.environment.is_empty() {
        return Rc::clone(&scope.environment);
    }
    merge(&scope.environment, std::mem::take(&mut node.environment))
}

impl Resources {
    /// These, with what they leave open taken from `other`.
    pub(crate) fn over(self, other: &Resources) -> Resources {
        let mut named = self.named;
        named.extend(
            other.named.iter().filter(|(key, _)| !named.iter().any(|(k, _)| k == key)).cloned().collect::<Vec<_>>(),
        );
        Resources {
            cpus: self.cpus.or(other.cpus),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            memory_from: if self.memory_bytes.is_some() { self.memory_from } else { other.memory_from.clone() },
            gpus: self.gpus.or(other.gpus),
            time_s: self.time_s.or(other.time_s),
            named,
        }
    }
}

impl Setting {
    /// The setting as a value of a type.
    pub(super) fn read(&self, kind: &Type) -> Result<Value, String> {
        match self {
            Setting::Text(text) => kind.parse_value(text).map_err(|e| e.to_string()),
            Setting::Value(value) => kind.coerce(value.clone()).map_err(|e| e.to_string()),
        }
    }
}
