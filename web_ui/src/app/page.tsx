import { ProjectsPage } from "@/features/projects/projects-page";

export default ProjectsPage;
